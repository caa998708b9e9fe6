/** What a benchmark has found, on a line of its own for the program that collects them: one JSON object per case. */
export interface Result {
  bench: string;
  case: string;
  ours: number;
  other: number;
  unit: string;
  ratio: number;
  goal?: string;
  note?: string;
}

/** The last thing that a benchmark does: what people read comes before it. */
export function result(row: Result): void {
  console.log(JSON.stringify(row));
}

/** What could not be compared, and why: said beside the results. */
export function unmeasured(bench: string, what: string, why: string): void {
  console.log(JSON.stringify({ bench, unmeasured: `${what}: ${why}` }));
}
