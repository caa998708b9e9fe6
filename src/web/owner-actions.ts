/** What everyone who may see a job may do to it: its owner is asked over its socket. */
import { askOwner, type ControlRequest } from "../control/socket.js";
import { UserError } from "../ports.js";
import { readInstances } from "../store/instances.js";
import type { Processes } from "../store/owner.js";

/** Asks the owner of a job; resolves with what it says, rejects with a `UserError` otherwise. */
export type AskOwnerOf = (request: Exclude<ControlRequest, { method: "ping" }>) => Promise<string>;

/** The owner is looked up anew for each request: another one may have taken the job over. */
export function askingOwners(root: string, processes: Processes): AskOwnerOf {
  return async (request) => {
    const id = request.jobID;
    const instances = await readInstances(root, undefined, processes);
    const instance = instances.find(
      ({ state, jobs }) => state === "alive" && jobs.some((job) => job.id === id),
    );
    if (!instance) throw new UserError(`the OpenCode that started ${id} does not run any more`);
    const path = instance.owner?.control;
    if (path === undefined) throw new UserError(`the OpenCode that runs ${id} cannot be reached`);
    return askOwner(path, request);
  };
}
