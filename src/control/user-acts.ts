/**
 * What only the user may do to a job from outside of tool calls: run it again, write into it, answer what it asks. Only
 * the page that this OpenCode has started itself asks for it, over the pipes of that process (`web/launcher.ts`),
 * never the control socket, to which everything of this user can connect. Nothing here takes a command: a process runs
 * again as it is recorded, and `command` is what the user was shown, so that nothing else runs instead.
 */
import { z } from "zod";
import type { OpenRequest, RequestAnswer } from "../host/host.js";
import type { ProcessJob } from "../jobs/job.js";
import type { JobRegistry } from "../jobs/registry.js";
import { logFailure, UserError, type Log } from "../ports.js";
import type { BackgroundProcessManager } from "../process/manager.js";
import type { BackgroundManager } from "../subagent/manager.js";

const job = { jobID: z.string(), command: z.string() };

export const userAct = z.discriminatedUnion("method", [
  z.strictObject({ method: z.literal("restart"), ...job }),
  z.strictObject({
    method: z.literal("write"),
    ...job,
    text: z.string().optional(),
    keys: z.array(z.string()).optional(),
    end: z.boolean().optional(),
  }),
  /** What it asks, in full. */
  z.strictObject({ method: z.literal("request"), jobID: z.string() }),
  z.strictObject({
    method: z.literal("reply"),
    jobID: z.string(),
    requestID: z.string(),
    reply: z.enum(["once", "always", "reject"]),
    message: z.string().optional(),
  }),
  z.strictObject({
    method: z.literal("answer"),
    jobID: z.string(),
    requestID: z.string(),
    /** One list for each question; left out, the question is rejected. */
    answers: z.array(z.array(z.string())).optional(),
  }),
]);
export type UserAct = z.infer<typeof userAct>;

/** In words; of `request` what is asked. */
export type ActResult = { text: string } | { request: OpenRequest };

export interface UserActsDeps {
  jobs: JobRegistry;
  log: Log;
  tasks: Pick<BackgroundManager, "openRequest" | "answerRequest">;
  processes: Pick<BackgroundProcessManager, "restart" | "write">;
}

export class UserActs {
  readonly #deps: UserActsDeps;

  constructor(deps: UserActsDeps) {
    this.#deps = deps;
  }

  has(jobID: string): boolean {
    return this.#deps.jobs.get(jobID) !== undefined;
  }

  /** Rejects with a UserError in words for the user, or with a HostError. */
  async perform(act: UserAct): Promise<ActResult> {
    const { tasks } = this.#deps;
    const { jobID } = act;
    if (act.method === "restart") return this.#restart(this.#process(act));
    if (act.method === "write") return this.#write(this.#process(act), act);
    if (act.method === "request") {
      const request = await tasks.openRequest(jobID);
      if (!request) throw new UserError(`${jobID} asks nothing any more`);
      return { request };
    }
    const answer: RequestAnswer =
      act.method === "reply"
        ? { kind: "permission", reply: act.reply, message: act.message }
        : { kind: "question", answers: act.answers };
    await tasks.answerRequest(jobID, act.requestID, answer);
    return { text: `${jobID}: answered` };
  }

  #process({ jobID, command }: { jobID: string; command: string }): ProcessJob {
    const found = this.#deps.jobs.getProcess(jobID);
    if (!found) throw new UserError(`${jobID} is no process of this OpenCode`);
    if (found.command === command) return found;
    throw new UserError(`${jobID} is another command than the one that was shown; look again`);
  }

  /** Answers when it runs: whether it becomes ready is seen in its record. */
  async #restart({ id, run = 1 }: ProcessJob): Promise<ActResult> {
    const { jobs, processes, log } = this.#deps;
    let stop: () => void = () => undefined;
    const runs = new Promise<void>((resolve) => {
      stop = jobs.onChange(({ job: changed }) => {
        if (changed.id !== id || changed.kind !== "process") return;
        if ((changed.run ?? 1) > run && changed.status !== "pending") resolve();
      });
    });
    const restarting = processes.restart(id, {}, "cancelled_by_user");
    try {
      await Promise.race([runs, restarting]);
    } finally {
      stop();
    }
    restarting.catch(logFailure(log, "warn", "a process was not run again", { id }));
    return { text: `${id}: runs again` };
  }

  async #write(
    { id }: ProcessJob,
    { text, keys, end }: Extract<UserAct, { method: "write" }>,
  ): Promise<ActResult> {
    // What it prints is seen in its log.
    await this.#deps.processes.write(id, { text, keys, end, waitSeconds: 0 });
    return { text: `${id}: written` };
  }
}
