/**
 * All jobs on this machine with what can be told from outside: whether an owner looks after each, and whether its
 * process lives. Reads only.
 */
import { accessSync, constants, readdirSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { runSince } from "../jobs/facts.js";
import { isTerminal } from "../jobs/status.js";
import type { Job, ProcessJob } from "../jobs/job.js";
import { coerceError, errorCode, UserError } from "../ports.js";
import { inspectFolder } from "../store/files.js";
import { outputPath } from "../store/instance-folder.js";
import type { Processes } from "../store/owner.js";
import { readInstances, type InstanceView } from "../store/instances.js";

export interface Entry {
  job: Job;
  instance: InstanceView;
  /**
   * - `active`: its owner lives and has not ended it;
   * - `ended`;
   * - `orphan`: a process that lives although its owner is dead;
   * - `interrupted`: its owner is dead, and so is it; the next start in that directory settles and tells it;
   * - `unknown`: of an owner elsewhere, so nothing here can tell.
   */
  fate: "active" | "ended" | "orphan" | "interrupted" | "unknown";
}

export interface Survey {
  root: string;
  instances: InstanceView[];
  entries: Entry[];
  /** Folders that an OpenCode of this user could not write to, and why: what happens there is kept in memory only. */
  unwritable: { folder: string; why: string }[];
}

/** Why this user cannot write to a folder, in the system's words; undefined when it can. */
export type WhyUnwritable = (folder: string) => string | undefined;

/** Throws a `UserError` when there is something in the root's place that cannot be looked into. */
export async function survey(
  root: string,
  projectID: string | undefined,
  processes: Processes,
  whyUnwritable: WhyUnwritable = systemWhyUnwritable,
): Promise<Survey> {
  checkReadable(root);
  const instances = await readInstances(root, projectID, processes);
  const entries = instances.flatMap((instance) =>
    instance.jobs.map((job): Entry => ({ job, instance, fate: fateOf(job, instance, processes) })),
  );
  // Those of dead owners are claimed as a whole, by a rename.
  const used = instances.filter(({ state }) => state === "alive").map(({ folder }) => folder);
  const unwritable = [root, ...used].flatMap((folder) => {
    const why = whyUnwritable(folder);
    return why === undefined ? [] : [{ folder, why }];
  });
  return { root, instances, entries, unwritable };
}

/** A root that is missing is one that no OpenCode has made yet. */
function checkReadable(root: string): void {
  try {
    readdirSync(root);
  } catch (thrown) {
    if (errorCode(thrown) === "ENOENT") return;
    const { message } = coerceError(thrown);
    throw new UserError(`the state folder cannot be read: ${message}`, { cause: thrown });
  }
}

/** For a folder that the user has named: a mistyped one must not look like one without jobs. */
export function checkExists(root: string): void {
  if (statSync(root, { throwIfNoEntry: false })?.isDirectory()) return;
  throw new UserError(`--root: expected an existing folder, got ${root}`);
}

/** One that OpenCode would not use, because it is a link or another user's, is none that it can write to. */
function systemWhyUnwritable(folder: string): string | undefined {
  try {
    inspectFolder(folder);
  } catch (thrown) {
    if (errorCode(thrown) !== "ENOENT") return coerceError(thrown).message;
  }
  return whyNotWritten(folder);
}

/** Of a folder that is missing the nearest one above it decides: it would be made there. */
function whyNotWritten(folder: string): string | undefined {
  try {
    accessSync(folder, constants.W_OK | constants.X_OK);
    return undefined;
  } catch (thrown) {
    const isMissing = errorCode(thrown) === "ENOENT" && dirname(folder) !== folder;
    return isMissing ? whyNotWritten(dirname(folder)) : coerceError(thrown).message;
  }
}

/** Of two records with one id that of a living owner. */
export function findEntry({ entries }: Survey, id: string): Entry | undefined {
  return preferred(entries.filter(({ job }) => job.id === id));
}

function preferred(entries: readonly Entry[]): Entry | undefined {
  return entries.find(({ instance }) => instance.state === "alive") ?? entries.at(-1);
}

/** The prefix of an id that says enough to end something: `proc_` or `bg_` and some of what follows. */
const LEAST_PREFIX = 8;

/**
 * The one job that is meant. `end` is for what cannot be taken back: whole ids, prefixes of at least 8 characters
 * and whole names are taken; `look` takes any part of an id or a name that only one job has. Among several the
 * jobs that have not ended come first. Throws a `UserError` that names the candidates.
 */
export function chooseEntry(found: Survey, what: string, purpose: "end" | "look"): Entry {
  const { root, entries } = found;
  const ways: ((job: Job) => boolean)[] = [
    ({ id }) => id === what,
    ({ name }) => name === what,
    ({ id }) => what.length >= LEAST_PREFIX && id.startsWith(what),
  ];
  if (purpose === "look") ways.push(({ id, name }) => id.includes(what) || name.includes(what));
  for (const fits of ways) {
    const all = entries.filter(({ job }) => what !== "" && fits(job));
    const live = all.filter(({ fate }) => fate !== "ended");
    const chosen = live.length > 0 ? live : all;
    const ids = [...new Set(chosen.map(({ job }) => job.id))];
    if (ids.length > 1) {
      const some = ids.slice(0, 5).join(", ");
      const more = ids.length > 5 ? ` and ${ids.length - 5} more` : "";
      throw new UserError(`"${what}" may be any of ${some}${more}: give more of the id`);
    }
    const one = preferred(chosen);
    if (one) return one;
  }
  const near = entries.filter(
    ({ job: { id, name }, fate }) =>
      what !== "" && fate !== "ended" && (id.includes(what) || name.includes(what)),
  );
  const [{ job } = { job: undefined }] = near;
  if (job) {
    const more = near.length > 1 ? ` and ${near.length - 1} more` : "";
    throw new UserError(
      `there is no job ${what}, only ${job.id} "${job.name}"${more}: give a whole name or at least ${LEAST_PREFIX} characters of an id`,
    );
  }
  throw new UserError(`there is no job ${what} in ${root}`);
}

export function outputOf({ job, instance }: Entry): string {
  return outputPath(instance.folder, job.id);
}

/** Of its latest run, in milliseconds: until its end, or the last sign of life on disk of an owner that is gone. */
export function timeOf({ job, instance, fate }: Entry, now: number): number {
  const since = runSince(job);
  const lastSign = fate === "interrupted" ? (instance.lastSign?.getTime() ?? since) : now;
  return (job.completedAt?.getTime() ?? lastSign) - since;
}

export function fateOf(job: Job, instance: InstanceView, processes: Processes): Entry["fate"] {
  if (isTerminal(job.status)) return "ended";
  if (instance.state === "alive") return "active";
  if (instance.state === "elsewhere") return "unknown";
  return job.kind === "process" && isRunning(job, processes) ? "orphan" : "interrupted";
}

/** Exactly the process that was started, not another one of its number; also when the system does not say. */
export function isRunning({ identity }: ProcessJob, processes: Processes): boolean {
  return identity !== undefined && !processes.hasEnded(identity);
}
