/** Random moments that can be tried again: the seed is in the test's name, SEED gives it. */
export const seed = Number(process.env["SEED"] ?? Date.now() % 100_000);

/** Park and Miller's generator: the same numbers, from 0 to 1, for the same seed. */
export function randomFrom(start: number): () => number {
  let state = (start % 2147483646) + 1;
  return () => (state = (state * 48271) % 2147483647) / 2147483647;
}
