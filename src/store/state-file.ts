/**
 * The format of `jobs.json`, both ways, as pure functions of text. Promises that a record which was written is
 * read back equal, with Dates as Dates, and that one bad record never costs a good one: bad ones are handed over
 * as they were found. A newer version is named and not touched.
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
export function parseState(text: string): StateReading {
  try {
    const contents = contentsSchema.parse(JSON.parse(text));
    const { version } = contents;
    if (version > STATE_VERSION) return { kind: "newer", version };
    if (version < STATE_VERSION) throw new Error(`version ${version} is unknown`);
    const { savedAt, adopted, ...lists } = stateSchema.parse(contents);
    const rejected: Rejected[] = [];
    const jobs = readList(lists.jobs, "jobs", readJob, rejected);
    const notices = readList(lists.notices, "notices", readNotice, rejected);
    return { kind: "read", savedAt, adopted, jobs, notices, rejected };
  } catch (thrown) {
    return { kind: "broken", problem: describe(thrown) };
  }
}

function readList<T extends { id: string }>(
  records: readonly unknown[],
  list: Rejected["list"],
  read: (record: unknown) => T,
  rejected: Rejected[],
): T[] {
  const good = new Map<string, T>();
  for (const record of records) {
    try {
      const one = read(record);
      // An id becomes a part of a path (the output file), so it is held to what we would make ourselves.
      if (!isSafeName(one.id)) throw new Error("id: not one of ours");
      if (good.has(one.id)) throw new Error("id: taken by an earlier record");
      good.set(one.id, one);
    } catch (thrown) {
      rejected.push({ list, problem: describe(thrown), record });
    }
  }
  return [...good.values()];
}

/** Fit to be a file's name on every system. */
export function isSafeName(name: string): boolean {
  return /^\w[\w-]{0,99}$/.test(name);
}

/** Throws a ZodError for what is no such record. */
function recordReader<T>(schema: z.ZodType<T>): (record: unknown) => T {
  const accept = acceptor(schema);
  const isGood = (record: unknown): record is T => accept(record);
  return (record) => (isGood(record) ? record : schema.parse(record));
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
