/**
 * All jobs on this machine with what can be told from outside: whether an owner looks after each, and whether its
 * process lives. Reads only.
 */
import { isTerminal } from "../jobs/status.js";
import type { Job, ProcessJob } from "../jobs/job.js";
import { outputPath } from "../store/instance-folder.js";
import type { Processes } from "../store/owner.js";
import { readInstances, type InstanceFilter, type InstanceView } from "../store/instances.js";

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
}

export async function survey(
  root: string,
  filter: InstanceFilter,
  processes: Processes,
): Promise<Survey> {
  const instances = await readInstances(root, filter, processes);
  const entries = instances.flatMap((instance) =>
    instance.jobs.map((job): Entry => ({ job, instance, fate: fateOf(job, instance, processes) })),
  );
  return { root, instances, entries };
}

/** Of two records with one id that of a living owner. */
export function findEntry({ entries }: Survey, id: string): Entry | undefined {
  const found = entries.filter(({ job }) => job.id === id);
  return found.find(({ instance }) => instance.alive) ?? found.at(-1);
}

export function outputOf({ job, instance }: Entry): string {
  return outputPath(instance.folder, job.id);
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
