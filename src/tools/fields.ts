/**
 * What tools take, and how what a model wrote is read. The host hands arguments on unchecked and without defaults.
 * What is meant plainly is accepted: a name in another spelling or that another tool uses, a number or a flag in
 * quotes, one value in place of a list of one. Everything else is refused in one line that names the argument, what
 * was expected and what came; nothing is done then. All of this is decided before any permission is asked.
 */
import { z } from "zod";
import { jobStatus, type JobStatus } from "../jobs/status.js";
import { UserError } from "../ports.js";
import { grouped, oneLine, parsedJson, shownValue } from "../text.js";

const tag = () => z.string().trim().min(1).max(100);
const anId = () => z.string().trim().min(1).max(200);

/** As the model sees them, without bounds. */
const shownText = z.string();
const shownOptionalText = shownText.optional();
const shownOptionalNumber = z.number().optional();
const shownOptionalFlag = z.boolean().optional();
const shownOptionalList = z.array(shownText).optional();

/** An empty list says the same as none. */
const someTags = () =>
  z
    .array(tag())
    .max(20)
    .optional()
    .transform((all) => (all?.length ? all : undefined));

export const tags = aliased(
  field(someTags, "a list of up to 20 short texts", { shown: shownOptionalList, read: listOf }),
  "tag",
);

export function after(about?: string) {
  const some = () => z.array(anId()).max(50).optional();
  const expects = "a list of up to 50 ids or names of jobs";
  return field(some, expects, { shown: shownOptionalList, about, read: listOf });
}

export function group(about?: string) {
  return field(() => tag().optional(), textOf(100), { shown: shownOptionalText, about });
}

export const status = field(() => jobStatus.optional(), `one of ${jobStatus.options.join(", ")}`, {
  read(value) {
    const word = choiceOf(value);
    return typeof word === "string" ? (STATUS_WORDS.get(word) ?? word) : word;
  },
});

/** The same where the model has read the choices in another tool's definition, or the one that is mostly meant. */
const unlistedStatus: typeof status = { ...status, shown: shownOptionalText };

/** By which jobs are chosen. */
export const filters = {
  sessionId: field(() => z.string().min(1).max(200).optional(), "the id of a session (ses_…)", {
    shown: shownOptionalText,
  }),
  status: unlistedStatus,
  tags,
  group: group(),
};

/** What other tools call the same. */
const STATUS_WORDS = new Map<string, JobStatus>([
  ...["done", "finished", "complete", "succeeded", "success"].map(
    (word) => [word, "completed"] as const,
  ),
  ...["canceled", "killed", "stopped", "aborted"].map((word) => [word, "cancelled"] as const),
  ...["error", "errored"].map((word) => [word, "failed"] as const),
  ...["queued", "waiting"].map((word) => [word, "pending"] as const),
  ["active", "running"],
]);

export function optionalChoice<const T extends readonly string[]>(choices: T, about?: string) {
  const expects = `one of ${choices.join(", ")}`;
  return field(() => z.enum(choices).optional(), expects, { about, read: choiceOf });
}

export function text(most: number) {
  return field(() => requiredText(most), textOf(most), { shown: shownText });
}

export function optionalText(most: number, about?: string) {
  const accepted = () => requiredText(most).optional();
  return field(accepted, textOf(most), { shown: shownOptionalText, about });
}

/** What is typed, as it is: also spaces and line ends alone. */
export function optionalInput() {
  const most = 64_000;
  const accepted = () => z.string().min(1).max(most).optional();
  return field(accepted, textOf(most), { shown: shownOptionalText });
}

/** One name in its place, or several as JSON. */
export function optionalNames(about: string) {
  const accepted = () => z.array(z.string().min(1).max(40)).max(200).optional();
  const shown = shownOptionalList;
  return field(accepted, "a list of up to 200 names", { shown, about, read: listOf });
}

/** From an earlier answer; also a number, the offset. */
export function optionalCursor(about: string) {
  const read = (value: unknown) =>
    Number.isSafeInteger(value) && Number(value) >= 0 ? String(value) : value;
  return { ...optionalText(200, about), read };
}

export function optionalFlag(about?: string) {
  const accepted = () => z.boolean().optional();
  return field(accepted, "true or false", { shown: shownOptionalFlag, about, read: flagOf });
}

/** The model is not shown that false is taken for none. */
export function optionalWorktree(about: string) {
  const shown = z.union([shownOptionalFlag.unwrap(), shownText]).optional();
  const accepted = () =>
    z
      .union([z.boolean(), anId()])
      .optional()
      .transform((value) => (value === false ? undefined : value));
  return field(accepted, "true, or the id of a job (bg_…)", { shown, about, read: flagOf });
}

export function optionalInteger(least: number, most: number, about?: string) {
  const expects = `a whole number from ${least} to ${grouped(most)}`;
  const accepted = () => z.number().int().min(least).max(most).optional();
  return field(accepted, expects, { shown: shownOptionalNumber, about, read: numberOf });
}

/** Names and texts; numbers and flags as values are read as they would stand in a shell. */
export function optionalEnvironment() {
  const name = () =>
    z
      .string()
      .max(200)
      .regex(/^[A-Za-z_][A-Za-z0-9_]*$/u);
  const accepted = () => z.record(name(), z.string().max(10_000)).optional();
  const shown = z.object({}).catchall(z.string()).optional();
  return field(accepted, "an object of variable names and texts", { shown, read: textsOf });
}

/** Of a process. */
export function processId() {
  return aliased(field(anId, idOf("proc"), { shown: shownText }), "id");
}

export function optionalId(prefix: "bg" | "proc", about?: string) {
  const accepted = () => anId().optional();
  return field(accepted, idOf(prefix), { shown: shownOptionalText, about });
}

function idOf(prefix: string): string {
  return `the id of a job (${prefix}_…) or its name`;
}

function textOf(most: number): string {
  return `a text of 1 to ${grouped(most)} characters`;
}

function requiredText(most: number) {
  return z
    .string()
    .max(most)
    .refine((value) => value.trim().length > 0);
}

/** A number with a unit behind it stays a text, and is refused. */
function numberOf(value: unknown): unknown {
  return typeof value === "string" && /^\s*-?\d{1,15}(?:\.\d{1,6})?\s*$/u.test(value)
    ? Number(value)
    : value;
}

function flagOf(value: unknown): unknown {
  const word = typeof value === "string" ? value.trim().toLowerCase() : undefined;
  if (word === "true") return true;
  return word === "false" ? false : value;
}

/** One of several words, in any case, alone or as the only one of a list. */
function choiceOf(value: unknown): unknown {
  const one: unknown = Array.isArray(value) && value.length === 1 ? value[0] : value;
  return typeof one === "string" ? one.trim().toLowerCase() : value;
}

/** A list, one text in its place, or a list that was written as JSON. */
function listOf(value: unknown): unknown {
  if (typeof value !== "string") return value;
  const parsed = parsedJson(value);
  if (Array.isArray(parsed)) return parsed;
  return value.trim() === "" ? value : [value];
}

function textsOf(value: unknown): unknown {
  const object = typeof value === "string" ? parsedJson(value) : value;
  if (typeof object !== "object" || object === null || Array.isArray(object)) return value;
  return Object.fromEntries(
    Object.entries(object).map(([name, each]: [string, unknown]) => [
      name,
      typeof each === "number" || typeof each === "boolean" ? String(each) : each,
    ]),
  );
}

interface Field<T extends z.ZodType> {
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
