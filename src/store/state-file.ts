/**
 * The format of `jobs.json`, both ways, as pure functions of text. Promises that a record which was written is
 * read back equal, with Dates as Dates, and that one bad record never costs a good one: bad ones are handed over
 * as they were found. Old versions are migrated on the way in; a newer version is named and not touched.
 */
import { z } from "zod";
import { job, type Job } from "../jobs/job.js";
import { notice, type Notice } from "../notices/notice.js";
import { coerceError, errorCode } from "../ports.js";
import { acceptor } from "./accept.js";
import { readText, UnsafePath } from "./files.js";

export const STATE_VERSION = 1;

/** What one instance has on disk. */
export interface State {
  /** When it was written. */
  savedAt: Date;
  jobs: Job[];
  notices: Notice[];
  /** Names of folders in `claimed/` whose records are part of this file already. */
  adopted: string[];
}

export type StateReading =
  | ({ kind: "read"; rejected: Rejected[] } & State)
  /** Not JSON, or not a state: nothing in it can be used. */
  | { kind: "broken"; problem: string }
  | { kind: "newer"; version: number };

/** A record that is not one, as it was found, and why. */
export interface Rejected {
  list: "jobs" | "notices";
  problem: string;
  record: unknown;
}

/** From the contents of version N to those of version N + 1. Throws when it cannot. */
export type Migration = (contents: Record<string, unknown>) => Record<string, unknown>;

/** By the version that they start from. There has only been one version so far. */
const MIGRATIONS: ReadonlyMap<number, Migration> = new Map();

export function formatState({ savedAt, jobs, notices, adopted }: State): string {
  return JSON.stringify({
    // The first key, so that a reader knows the version from the first bytes.
    version: STATE_VERSION,
    savedAt,
    adopted: adopted.length > 0 ? adopted : undefined,
    jobs,
    notices,
  });
}

const contentsSchema = z.looseObject({ version: z.number().int().nonnegative() });
const stateSchema = z.object({
  savedAt: z.iso.datetime().transform((text) => new Date(text)),
  adopted: z.array(z.string()).default([]),
  jobs: z.array(z.unknown()),
  notices: z.array(z.unknown()),
});

const readJob = recordReader<Job>(job);
const readNotice = recordReader<Notice>(notice);

/** Never throws. */
export function parseState(
  text: string,
  migrations: ReadonlyMap<number, Migration> = MIGRATIONS,
): StateReading {
  try {
    const contents = contentsSchema.parse(JSON.parse(text));
    if (contents.version > STATE_VERSION) return { kind: "newer", version: contents.version };
    return parseContents(migrate(contents, migrations));
  } catch (thrown) {
    return { kind: "broken", problem: describe(thrown) };
  }
}

function migrate(
  contents: z.infer<typeof contentsSchema>,
  migrations: ReadonlyMap<number, Migration>,
): Record<string, unknown> {
  let current: Record<string, unknown> = contents;
  for (let version = contents.version; version < STATE_VERSION; version += 1) {
    const migration = migrations.get(version);
    if (!migration) throw new Error(`version ${version} is unknown`);
    current = migration(current);
  }
  return current;
}

function parseContents(contents: Record<string, unknown>): StateReading {
  const { savedAt, adopted, jobs, notices } = stateSchema.parse(contents);
  const rejected: Rejected[] = [];
  return {
    kind: "read",
    savedAt,
    adopted,
    jobs: readList(jobs, "jobs", readJob, rejected),
    notices: readList(notices, "notices", readNotice, rejected),
    rejected,
  };
}

function readList<T extends { id: string }>(
  records: readonly unknown[],
  list: Rejected["list"],
  read: (record: unknown) => Read<T>,
  rejected: Rejected[],
): T[] {
  const good = new Map<string, T>();
  for (const record of records) {
    const result = read(record);
    const problem = result.good ? unfit(result.record, good) : result.problem;
    if (result.good && problem === undefined) good.set(result.record.id, result.record);
    else rejected.push({ list, problem: problem ?? "unknown", record });
  }
  return [...good.values()];
}

/** An id becomes a part of a path (the output file), so it is held to what we would make ourselves. */
function unfit(record: { id: string }, others: ReadonlyMap<string, unknown>): string | undefined {
  if (!isSafeName(record.id)) return "id: not one of ours";
  return others.has(record.id) ? "id: taken by an earlier record" : undefined;
}

/** Fit to be a file's name on every system. */
export function isSafeName(name: string): boolean {
  return /^\w[\w-]{0,99}$/.test(name);
}

type Read<T> = { good: true; record: T } | { good: false; problem: string };

function recordReader<T>(schema: z.ZodType<T>): (record: unknown) => Read<T> {
  const accept = acceptor(schema);
  const isGood = (record: unknown): record is T => accept(record);
  return (record) => {
    if (isGood(record)) return { good: true, record };
    const parsed = schema.safeParse(record);
    if (parsed.success) return { good: true, record: parsed.data };
    return { good: false, problem: describe(parsed.error) };
  };
}

function describe(thrown: unknown): string {
  if (!(thrown instanceof z.ZodError)) return coerceError(thrown).message;
  return thrown.issues
    .slice(0, 3)
    .map((issue) => `${issue.path.join(".") || "the whole"}: ${issue.message}`)
    .join("; ");
}

export type FileReading =
  | StateReading
  | { kind: "missing" }
  /** What is in its place is not ours to read: a link, a folder, a pipe, another user's file, one of many megabytes. */
  | { kind: "misplaced"; problem: string }
  /** The system could not say just now (too many open files, a disk's fault): it may be able to later. */
  | { kind: "unavailable"; problem: string };

const MISPLACED = new Set(["ELOOP", "EISDIR", "EACCES", "EPERM", "EMLINK", "ENXIO"]);

export async function readStateFile(path: string): Promise<FileReading> {
  let text: string;
  try {
    text = await readText(path);
  } catch (thrown) {
    const code = errorCode(thrown);
    if (code === "ENOENT" || code === "ENOTDIR") return { kind: "missing" };
    const problem = coerceError(thrown).message;
    const misplaced = thrown instanceof UnsafePath || (code !== undefined && MISPLACED.has(code));
    return { kind: misplaced ? "misplaced" : "unavailable", problem };
  }
  return parseState(text);
}
