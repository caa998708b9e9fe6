/**
 * The library entry: background subagents and processes without the plugin.
 *
 * @example
 * ```ts
 * const background = openBackground({ client, directory, stateFolder: "/tmp/jobs" });
 * // Beside the rest, for as long as it is open: every event of the directory.
 * const { stream } = await client.event.subscribe();
 * void (async () => {
 *   for await (const event of stream) background.handleEvent(event);
 * })();
 * const { task } = await background.tasks.launch({ description, prompt, agent, parentSessionID });
 * await background.tasks.wait(task.id, 600_000);
 * await background.dispose();
 * ```
 */
import { OpenCodeHost } from "./host/opencode-host.js";
import type { OpenCodeClient } from "./host/transport.js";
import { parseOptions, type Options } from "./options.js";
import { UserError, type Clock, type Log } from "./ports.js";
import { Workspace } from "./workspace.js";

export interface BackgroundSettings {
  /** OpenCode's SDK client, of either generation. */
  client: OpenCodeClient;
  /** Absolute. */
  directory: string;
  /** Where state is kept; `${XDG_STATE_HOME:-~/.local/state}/opencode/background` by default. */
  stateFolder?: string;
  /** Names the folder below it; "library" by default. */
  projectID?: string;
  /** As in the plugin, each with its default; a wrong one is an error here. */
  options?: Partial<Options>;
  clock?: Clock;
  log?: Log;
}

/** Throws a UserError that names every wrong option. */
export function openBackground(settings: BackgroundSettings): Workspace {
  const { client, projectID = "library", ...rest } = settings;
  const { options, problems } = parseOptions(settings.options);
  if (problems.length > 0) throw new UserError(problems.join("; "));
  return new Workspace({ ...rest, host: new OpenCodeHost(client), projectID, options });
}

export { BackgroundManager } from "./subagent/manager.js";
export type { Launched, LaunchInput, TaskResult } from "./subagent/manager.js";
export { BackgroundProcessManager } from "./process/manager.js";
export type * from "./process/types.js";
export type { Job, ProcessJob, SubagentJob, BlockedOn, Run } from "./jobs/job.js";
export type { JobFilter } from "./jobs/filter.js";
export type { EndReason, JobStatus } from "./jobs/status.js";
export type { Notice } from "./notices/notice.js";
export type { Options } from "./options.js";
export { HostError } from "./host/host.js";
export { UserError } from "./ports.js";
export type { Clock, Log, LogLevel, Timer } from "./ports.js";
export { Workspace } from "./workspace.js";
