/**
 * One way to make a tool. The host hands arguments on unchecked and without defaults, so each is checked here:
 * a wrong one gives a single line that names the field, what was expected and what came, and nothing is done.
 */
import type { ToolContext, ToolDefinition } from "@opencode-ai/plugin";
import { z } from "zod";
import { UserError } from "../ports.js";
import { oneLine } from "../text.js";
import type { Workspace } from "../workspace.js";
import type { ToolQuestion } from "../permission/ask.js";

/** The whole answer of a tool stays below this many bytes. */
export const MOST_BYTES = 8_000;

/** The workspace for a call in this session, with the jobs of earlier owners known. */
export type Ready = (sessionID: string) => Promise<Workspace>;

export interface Field<T extends z.ZodType> {
  /** What is accepted. */
  schema: () => T;
  /** What the model is shown: only what it needs, for every character is paid in every request. */
  shown: z.ZodType;
  /** For the error line: "a whole number from 1 to 1,000". */
  expects: string;
}

type Fields = Record<string, Field<z.ZodType>>;
type Values<F extends Fields> = { [Name in keyof F]: z.output<ReturnType<F[Name]["schema"]>> };

/**
 * `about` is what the model reads; left out where the name says it all. What is accepted is made when the first
 * arguments come: all tools are defined while the host waits.
 */
export function field<T extends z.ZodType>(
  accepted: () => T,
  expects: string,
  { shown, about }: { shown?: z.ZodType; about?: string | undefined } = {},
): Field<T> {
  let made: T | undefined;
  const schema = (): T => (made ??= accepted());
  const bare = shown ?? schema();
  return { schema, shown: about === undefined ? bare : bare.describe(about), expects };
}

export interface ToolSpec<F extends Fields> {
  description: string;
  fields: F;
  run(args: Values<F>, context: ToolContext): Promise<string>;
}

export function defineTool<F extends Fields>(spec: ToolSpec<F>): ToolDefinition {
  const args: Record<string, z.ZodType> = {};
  for (const [name, { shown }] of Object.entries(spec.fields)) args[name] = shown;
  return {
    description: spec.description,
    args,
    execute: async (raw: unknown, context) =>
      limit(await spec.run(parseArguments(spec.fields, raw), context)),
  };
}

export function parseArguments<F extends Fields>(fields: F, raw: unknown): Values<F> {
  const given = raw ?? {};
  if (typeof given !== "object" || Array.isArray(given)) {
    const names = Object.keys(fields).join(", ");
    throw new UserError(`arguments: expected an object with ${names}, got ${shown(raw)}`);
  }
  for (const name of Object.keys(given)) {
    if (!Object.hasOwn(fields, name)) {
      throw new UserError(
        `${oneLine(name, 60)}: there is no such argument; expected ${Object.keys(fields).join(", ")}`,
      );
    }
  }
  const shape: Record<string, z.ZodType> = {};
  for (const [name, { schema }] of Object.entries(fields)) shape[name] = schema();
  const parsed = z.object(shape).safeParse(given);
  if (!parsed.success) throw new UserError(explain(fields, given, parsed.error));
  return valuesOf(fields, parsed.data);
}

/** The parsed object has the fields' types by construction; each is taken by its name. */
function valuesOf<F extends Fields>(fields: F, data: Record<string, unknown>): Values<F> {
  const isComplete = (value: Record<string, unknown>): value is Values<F> =>
    Object.keys(value).every((name) => Object.hasOwn(fields, name));
  if (isComplete(data)) return data;
  throw new UserError("arguments of an unknown shape");
}

function explain(fields: Fields, given: object, error: z.ZodError): string {
  const path = error.issues[0]?.path ?? [];
  const name = String(path[0] ?? "arguments");
  const value: unknown = Reflect.get(given, name);
  return `${name}: expected ${fields[name]?.expects ?? "something else"}, got ${shown(value)}`;
}

function shown(value: unknown): string {
  if (value === undefined) return "nothing";
  const text = JSON.stringify(value) ?? typeof value;
  return text.length <= 120 ? text : `${text.slice(0, 100)}… (${text.length} characters)`;
}

function limit(text: string): string {
  if (Buffer.byteLength(text) <= MOST_BYTES) return text;
  const bytes = Buffer.from(text).subarray(0, MOST_BYTES - 60);
  return `${bytes.toString("utf8").replace(/\uFFFD+$/u, "")}\n… cut at ${MOST_BYTES} bytes`;
}

/** Throws unless the user's rules about this tool of ours allow the call. */
export async function askForTool(
  workspace: Workspace,
  { sessionID, agent, ask }: Pick<ToolContext, "sessionID" | "agent" | "ask">,
  question: Pick<ToolQuestion, "tool" | "pattern" | "onlyWhereNamed">,
): Promise<void> {
  await workspace.askForTool({
    sessionID,
    agent,
    always: ["*"],
    ask: (request) => ask(request),
    ...question,
  });
}
