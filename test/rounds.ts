/** How many rounds a long test plays: all of them with `npm run soak`, a tenth otherwise. */
export function rounds(full: number): number {
  return process.env["SOAK"] === undefined ? Math.max(1, Math.round(full / 10)) : full;
}

/** The cases of a long table: all of them with `npm run soak`, otherwise each `share`-th. */
export function casesOf<T>(all: readonly T[], share: number): readonly T[] {
  return process.env["SOAK"] === undefined ? all.filter((_, index) => index % share === 0) : all;
}
