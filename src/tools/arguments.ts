/**
 * What a tool takes, and how what a model wrote is read. The host hands arguments on unchecked and without defaults.
 * What is meant plainly is accepted: a name in another spelling or that another tool uses, a number or a flag in
 * quotes, one value in place of a list of one. Everything else is refused in one line that names the argument, what
 * was expected and what came; nothing is done then. All of this is decided before any permission is asked.
 */
import { z } from "zod";
import { UserError } from "../ports.js";
import { oneLine, shownValue } from "../text.js";

export interface Field<T extends z.ZodType> {
  /** What is accepted. */
  schema: () => T;
  /** What the model is shown: only what it needs, for every character is paid in every request. */
  shown: z.ZodType;
  /** For the error line: "a whole number from 1 to 1,000". */
  expects: string;
  /** Names by which other tools call the same thing. */
  aliases: readonly string[];
  /** Brings what is meant plainly into the accepted form; anything else passes as it is. */
  read: ((value: unknown) => unknown) | undefined;
}

export type Fields = Record<string, Field<z.ZodType>>;
export type Values<F extends Fields> = {
  [Name in keyof F]: z.output<ReturnType<F[Name]["schema"]>>;
};

/** Names that cannot be read as an argument of ours, with what to write instead. */
export type Refused = Readonly<Record<string, string>>;

interface FieldOptions {
  shown?: z.ZodType;
  /** What the model reads; left out where the name says it all. */
  about?: string | undefined;
  read?: (value: unknown) => unknown;
}

/** What is accepted is made when the first arguments come: all tools are defined while the host waits. */
export function field<T extends z.ZodType>(
  accepted: () => T,
  expects: string,
  { shown, about, read }: FieldOptions = {},
): Field<T> {
  let made: T | undefined;
  const schema = (): T => (made ??= accepted());
  const bare = shown ?? schema();
  return { schema, shown: about ? bare.describe(about) : bare, expects, aliases: [], read };
}

export function aliased<F extends Field<z.ZodType>>(one: F, ...aliases: string[]): F {
  return { ...one, aliases };
}

/** Throws a UserError. */
export function parseArguments<F extends Fields>(
  fields: F,
  raw: unknown,
  refused: Refused = {},
): Values<F> {
  const written = raw ?? {};
  if (typeof written !== "object" || Array.isArray(written)) {
    const names = Object.keys(fields).join(", ");
    throw new UserError(`arguments: expected an object with ${names}, got ${shown(raw)}`);
  }
  const given = underOwnNames(fields, written, refused);
  const shape: Record<string, z.ZodType> = {};
  for (const [name, { schema, read }] of Object.entries(fields)) {
    shape[name] = read ? z.preprocess(read, schema()) : schema();
  }
  const parsed = z.object(shape).safeParse(given);
  if (!parsed.success) throw new UserError(explain(fields, given, parsed.error));
  return valuesOf(fields, parsed.data);
}

/** For an argument that is needed only without another one. */
export function missing(fields: Fields, name: string): UserError {
  return new UserError(`${name}: expected ${fields[name]?.expects ?? "a value"}, got nothing`);
}

function underOwnNames(fields: Fields, written: object, refused: Refused): Record<string, unknown> {
  const given: Record<string, unknown> = {};
  const from = new Map<string, string>();
  for (const [name, value] of Object.entries(written)) {
    const own = ownName(fields, name);
    if (own === undefined) throw unknownArgument(fields, name, refused);
    const earlier = from.get(own);
    if (earlier !== undefined && JSON.stringify(given[own]) !== JSON.stringify(value)) {
      throw new UserError(
        `${own}: ${earlier} and ${name} are one argument, and came with two values, ${shown(given[own])} and ${shown(value)}: give ${own} only`,
      );
    }
    from.set(own, name);
    given[own] = value;
  }
  return given;
}

/** Spelling aside: `process_id` is `processId`. */
function ownName(fields: Fields, name: string): string | undefined {
  if (Object.hasOwn(fields, name)) return name;
  const wanted = plain(name);
  const names = Object.keys(fields);
  return (
    names.find((own) => plain(own) === wanted) ??
    names.find((own) => fields[own]?.aliases.some((alias) => plain(alias) === wanted))
  );
}

function plain(name: string): string {
  return name.slice(0, 100).toLowerCase().replaceAll(/[_-]/gu, "");
}

function unknownArgument(fields: Fields, name: string, refused: Refused): UserError {
  const [, instead] = Object.entries(refused).find(([each]) => plain(each) === plain(name)) ?? [];
  return new UserError(
    `${oneLine(name, 60)}: there is no such argument; expected ${instead ?? Object.keys(fields).join(", ")}`,
  );
}

/** The parsed object has the fields' types by construction; each is taken by its name. */
function valuesOf<F extends Fields>(fields: F, data: Record<string, unknown>): Values<F> {
  const isComplete = (value: Record<string, unknown>): value is Values<F> =>
    Object.keys(value).every((name) => Object.hasOwn(fields, name));
  if (isComplete(data)) return data;
  throw new UserError("arguments of an unknown shape");
}

function explain(fields: Fields, given: Record<string, unknown>, error: z.ZodError): string {
  const path = error.issues[0]?.path ?? [];
  const name = String(path[0] ?? "arguments");
  return `${name}: expected ${fields[name]?.expects ?? "something else"}, got ${shown(given[name])}`;
}

function shown(value: unknown): string {
  return value === undefined ? "nothing" : shownValue(value);
}
