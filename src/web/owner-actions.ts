/** What everyone who may see a job may do to it: its owner is asked over its socket. */
import { askOwner } from "../control/socket.js";
import { UserError } from "../ports.js";
import { readInstances } from "../store/instances.js";
import type { Processes } from "../store/owner.js";
import type { OwnerActions } from "./app.js";
import { transcriptView, type JobView } from "./schemas.js";

/** The owner is looked up anew for each request: another one may have taken the job over. */
export function ownerActions(root: string, processes: Processes): OwnerActions {
  const socketOf = async ({ id }: JobView): Promise<string> => {
    const instances = await readInstances(root, undefined, processes);
    const instance = instances.find(
      ({ alive, jobs }) => alive && jobs.some((job) => job.id === id),
    );
    if (!instance) throw new UserError(`the OpenCode that started ${id} does not run any more`);
    const path = instance.owner?.control;
    if (path === undefined) throw new UserError(`the OpenCode that runs ${id} cannot be reached`);
    return path;
  };
  return {
    stop: async (job) => askOwner(await socketOf(job), { method: "stop", jobID: job.id }),
    terminate: async (job) =>
      askOwner(await socketOf(job), { method: "stop", jobID: job.id, remove: true }),
    cancel: async (job) => askOwner(await socketOf(job), { method: "cancel", jobID: job.id }),
    transcript: async (job) => {
      const request = { method: "transcript", jobID: job.id } as const;
      const entries: unknown = JSON.parse(await askOwner(await socketOf(job), request));
      return transcriptView.parse({ entries });
    },
  };
}
