/** How many rounds a long test plays: all of them with `npm run soak`, otherwise a tenth, or one of `share`. */
export function rounds(full: number, share = 10): number {
  return process.env["SOAK"] === undefined ? Math.max(1, Math.round(full / share)) : full;
}

/** The cases of a long table: all of them with `npm run soak`, otherwise each `share`-th. */
export function casesOf<T>(all: readonly T[], share: number): readonly T[] {
  return process.env["SOAK"] === undefined ? all.filter((_, index) => index % share === 0) : all;
}
