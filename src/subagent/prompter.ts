/**
 * How a child is told what to do: each prompt has an id of ours, is recorded as the job's current one before it
 * is sent, and is sent a second time without doubling it. One that arrives after its run had been ended is
 * stopped: what it starts would not be supervised.
 */
import type { Context } from "../context.js";
import { logFailure } from "../ports.js";
import { HostError } from "../host/host.js";
import type { IdSource } from "../host/ids.js";
import type { SubagentJob } from "../jobs/job.js";
import type { LiveRun, Prompt } from "./live-run.js";

export interface PrompterDeps extends Context {
  ids: IdSource;
  live: (jobID: string) => LiveRun | undefined;
}

export class Prompter {
  readonly #deps: PrompterDeps;

  constructor(deps: PrompterDeps) {
    this.#deps = deps;
  }

  /** Rejects with what the host said; a further instruction that it refused leaves the run as it was. */
  async send(jobID: string, live: LiveRun, text: string): Promise<void> {
    const { jobs, host, ids, clock } = this.#deps;
    const job = jobs.getSubagent(jobID);
    if (!job?.sessionID) throw new HostError(`task ${jobID} has no session`);
    const prompt: Prompt = {
      messageID: ids.next("msg"),
      text,
      date: new Date(clock.now()),
      at: clock.monotonic(),
    };
    const isFirst = live.promptMessageID === "";
    live.prompted(prompt);
    this.#record(jobID, live, prompt, isFirst);
    live.prompting += 1;
    try {
      await host.prompt({ ...this.#address(job, prompt.messageID, live), text });
    } catch (thrown) {
      const left = live.refused(prompt);
      if (isFirst) jobs.updateSubagent(jobID, { prompt: text });
      else if (left && live === this.#deps.live(jobID)) this.#record(jobID, live, left, false);
      throw thrown;
    } finally {
      live.prompting -= 1;
    }
    await this.abortForgotten(jobID);
  }

  /**
   * Once more: the newest message of its user that the host has stored, which may be one of the host's own or a notice,
   * without its text; the prompt with its text if the host has none.
   */
  async sendAgain(jobID: string, live: LiveRun, storedID: string | undefined): Promise<void> {
    const job = this.#deps.jobs.getSubagent(jobID);
    if (!job) return;
    const address = this.#address(job, storedID ?? live.promptMessageID, live);
    const isStored = storedID !== undefined;
    await this.#deps.host.prompt(isStored ? address : { ...address, text: live.promptText });
    await this.abortForgotten(jobID);
  }

  /** Aborts the session of a job that runs no more or is being stopped. Never rejects. */
  async abortForgotten(jobID: string): Promise<void> {
    const { host, jobs, log, live } = this.#deps;
    const sessionID = jobs.getSubagent(jobID)?.sessionID;
    const current = live(jobID);
    if ((current && !current.intent) || sessionID === undefined) return;
    const failed = logFailure(log, "warn", "a subagent could not be aborted", { id: jobID });
    await host.abort(sessionID).catch(failed);
  }

  /** The run now answers `prompt`; the first prompt is a new run. */
  #record(jobID: string, live: LiveRun, { messageID, date }: Prompt, isFirst: boolean): void {
    const { jobs } = this.#deps;
    const { runs = [] } = jobs.getSubagent(jobID) ?? {};
    const first = live.firstPromptID;
    const run = {
      promptMessageID: messageID,
      ...(first !== messageID && { firstPromptMessageID: first }),
      startedAt: date,
      status: "running" as const,
      ...(live.modelUses && { models: live.modelUses }),
    };
    const earlier = isFirst ? runs : runs.slice(0, -1);
    jobs.updateSubagent(jobID, { runs: [...earlier, run], prompt: undefined });
  }

  #address({ sessionID = "", agent, ...job }: SubagentJob, messageID: string, live: LiveRun) {
    // Variants are one model's own.
    const { model, variant } = live.model ? { model: live.model, variant: undefined } : job;
    return { sessionID, messageID, agent, model, variant };
  }
}
