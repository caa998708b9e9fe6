/**
 * How a run goes on with another model: the next one that OpenCode has set up is recorded, and the newest stored message
 * of the child is sent again in it, without a second prompt. Which models there are, and what counts as a fault, is said
 * by the options and by `host/provider-fault.ts`.
 */
import type { Context } from "../context.js";
import { isTooLong } from "../host/provider-fault.js";
import { coerceError } from "../ports.js";
import type { Message } from "../host/host.js";
import { parseModel, type ModelRef, type SubagentJob } from "../jobs/job.js";
import { modelOf } from "../jobs/facts.js";
import type { Options } from "../options.js";
import type { NoticePort } from "../notices/port.js";
import { elapsed } from "../text.js";
import type { LiveRun } from "./live-run.js";

export type FallbackOptions = Pick<Options, "fallbackModels" | "fallbackModelsByAgent">;

export interface ModelSwitchDeps extends Context {
  notices: Pick<NoticePort, "goesOn">;
  live: (jobID: string) => LiveRun | undefined;
  promptAgain: (jobID: string, live: LiveRun, storedID: string | undefined) => Promise<void>;
  examine: (jobID: string) => Promise<void>;
}

export class ModelSwitch {
  readonly #deps: ModelSwitchDeps;

  constructor(deps: ModelSwitchDeps) {
    this.#deps = deps;
  }

  /**
   * After a fault of the provider, with all messages that are stored: true when the run goes on. Rejects with a HostError
   * when OpenCode cannot say which models it has; nothing has changed then.
   */
  async goOn(
    jobID: string,
    live: LiveRun,
    error: string,
    messages: readonly Message[],
  ): Promise<boolean> {
    const { jobs, clock, log, notices, live: liveOf, promptAgain } = this.#deps;
    const next = await this.#next(jobID, live);
    const job = jobs.getSubagent(jobID);
    if (!next || !job?.sessionID || liveOf(jobID) !== live || live.intent) return false;
    const failed = { model: nameOf(job), error, at: clock.monotonic() };
    live.goesOn(next, failed, messages);
    const model = `${next.providerID}/${next.modelID}`;
    log("warn", "a subagent goes on with another model", { id: jobID, model, error });
    const latest = job.runs.length - 1;
    const runs = job.runs.map((run, index) =>
      index === latest ? { ...run, models: live.modelUses } : run,
    );
    jobs.updateSubagent(jobID, { runs, blockedOn: undefined });
    notices.goesOn(job.sessionID);
    try {
      const newest = messages.findLast(({ role }) => role === "user");
      await promptAgain(jobID, live, newest?.id);
    } catch (thrown) {
      // It is sent again by the next look that finds that nothing has started.
      log("warn", "a subagent's next model could not be prompted", {
        id: jobID,
        error: coerceError(thrown).message,
      });
    }
    return true;
  }

  /** The host waits to ask the provider again. Never rejects. */
  async announcedRetry(
    live: LiveRun,
    { message, nextAt }: { message: string; nextAt: Date },
  ): Promise<void> {
    const { jobs, host, clock, log, notices, live: liveOf, examine } = this.#deps;
    const { jobID } = live;
    const pause = nextAt.getTime() - clock.now();
    if (!isTooLong(pause) || live.leaving !== undefined || live.intent) return;
    try {
      if (!(await this.#next(jobID, live))) return;
      const { sessionID, blockedOn } = jobs.getSubagent(jobID) ?? {};
      const isStill = blockedOn?.kind === "retry" && liveOf(jobID) === live && !live.intent;
      if (sessionID === undefined || !isStill) return;
      live.leaving = `its provider wants to be asked again in ${elapsed(pause)}: ${message}`;
      notices.goesOn(sessionID);
      await host.abort(sessionID);
      await examine(jobID);
    } catch (thrown) {
      live.leaving = undefined;
      log("warn", "a subagent that waits for its provider could not be stopped", {
        id: jobID,
        error: coerceError(thrown).message,
      });
    }
  }

  /** The first that is left and set up; undefined when there is none. */
  async #next(jobID: string, live: LiveRun): Promise<ModelRef | undefined> {
    const { jobs, host, options } = this.#deps;
    const job = jobs.getSubagent(jobID);
    if (!job) return undefined;
    const given = live.modelUses?.map(({ model }) => model) ?? [nameOf(job)];
    const list = fallbackList(options, job.agent, given[0]);
    if (nextModel(list, given) === undefined) return undefined;
    const known = new Set(await host.models());
    const next = nextModel(
      list.filter((model) => known.has(model)),
      given,
    );
    return next === undefined ? undefined : parseModel(next);
  }
}

function nameOf(job: SubagentJob): string {
  return modelOf(job) ?? "";
}

/** Models that a run may go on with, in order: those of its agent, or of the model that it began with. */
export function fallbackList(
  { fallbackModels, fallbackModelsByAgent }: FallbackOptions,
  agent: string,
  firstModel: string | undefined,
): readonly string[] {
  const own = Object.hasOwn(fallbackModelsByAgent, agent)
    ? fallbackModelsByAgent[agent]
    : undefined;
  if (own !== undefined) return own;
  if (firstModel === undefined || !Object.hasOwn(fallbackModels, firstModel)) return [];
  return fallbackModels[firstModel] ?? [];
}

/** The first of the list that the run was not given yet; each is tried once, and never again. */
export function nextModel(list: readonly string[], given: readonly string[]): string | undefined {
  return list.find((model) => !given.includes(model));
}
