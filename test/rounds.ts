/** How many rounds a long test plays: all of them with `npm run soak`, a tenth otherwise. */
export function rounds(full: number): number {
  return process.env["SOAK"] === undefined ? Math.max(1, Math.round(full / 10)) : full;
}
