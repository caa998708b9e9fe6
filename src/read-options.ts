/**
 * Options as a user wrote them. A wrong or unknown one never stops a plugin: it is named with what was expected and
 * what came, its default is used and all other options hold.
 */
import { z } from "zod";
import { cutText } from "./text.js";

export interface ReadOptions<T> {
  options: T;
  /** One line for each option that was not taken: what is wrong, and what holds instead. */
  problems: string[];
  /** The same without what holds instead, for callers that refuse them. */
  faults: string[];
}

export function readOptions<S extends z.ZodRawShape>(
  schema: z.ZodObject<S>,
  raw: Readonly<Record<string, unknown>>,
): ReadOptions<z.infer<z.ZodObject<S>>> {
  const problems: string[] = [];
  const faults: string[] = [];
  const complain = (fault: string, instead: string): void => {
    faults.push(fault);
    problems.push(fault + instead);
  };
  const accepted: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(raw)) {
    const option = Object.entries(schema.shape).find(([known]) => known === name)?.[1];
    const parsed = option && z.safeParse(option, value);
    if (!parsed) complain(`option "${name}" is unknown`, " and was ignored");
    else if (parsed.success) accepted[name] = parsed.data;
    else {
      const expected = parsed.error.issues.map(explain).join(" and ");
      const fault = `option "${name}": expected ${expected}, got ${shown(value)}`;
      complain(fault, "; using the default");
    }
  }
  return { options: schema.parse(accepted), problems, faults };
}

/** In words of our own: the bundle holds no language for zod's. */
function explain(issue: z.core.$ZodIssue): string {
  const where = issue.path.length > 0 ? `for ${issue.path.join(".")} ` : "";
  return where + expectation(issue);
}

function expectation(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case "too_small":
      return `${issue.inclusive === false ? "more than" : "at least"} ${issue.minimum}`;
    case "too_big":
      return `${issue.inclusive === false ? "less than" : "at most"} ${issue.maximum}`;
    case "invalid_value":
      return (issue.values.length > 1 ? "one of " : "") + issue.values.map(shown).join(", ");
    case "invalid_type":
      return KINDS[issue.expected] ?? issue.expected;
    case "invalid_union":
      return issue.errors.map((each) => each.map(explain).join(" and ")).join(" or ");
    default:
      return "another value";
  }
}

const KINDS: Readonly<Record<string, string>> = {
  number: "a number",
  int: "a whole number",
  string: "a text",
  boolean: "true or false",
  record: "an object",
};

function shown(value: unknown): string {
  return cutText(JSON.stringify(value) ?? String(value), 61);
}
