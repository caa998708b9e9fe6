// What has been found out about a command so far. Promises: everything found is kept once, in the
// order of the text.
import type { Dialect } from "./doubts.js";
import { isDangerousVariable } from "./environment.js";
import type { PathUse } from "./paths.js";

export interface Findings {
  readonly patterns: Set<string>;
  readonly always: Set<string>;
  readonly paths: PathUse[];
  /** Why not every command that will run is known. */
  readonly hidden: Set<string>;
  /** Files that the command writes, and files that it runs. */
  readonly written: Set<string>;
  readonly run: Set<string>;
  /** Variables that the command sets, and variables that are a command if they hold several words. */
  readonly assigned: Set<string>;
  readonly split: Set<string>;
}

export function createFindings(): Findings {
  return {
    patterns: new Set(),
    always: new Set(),
    paths: [],
    hidden: new Set(),
    written: new Set(),
    run: new Set(),
    assigned: new Set(),
    split: new Set(),
  };
}

export function noteVariables(
  findings: Findings,
  names: readonly (string | undefined)[],
  dialect: Dialect,
): void {
  for (const name of names) {
    if (name !== undefined) findings.assigned.add(name);
    if (name === undefined) findings.hidden.add("a variable whose name is not fixed");
    else if (isDangerousVariable(name, dialect)) findings.hidden.add(`a new value for ${name}`);
  }
}
