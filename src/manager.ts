/**
 * The library entry: background subagents and processes without the plugin.
 *
 * @example
 * ```ts
 * const background = openBackground({ client, directory, stateFolder: "/tmp/jobs" });
 * // Beside the rest, for as long as it is open: every event of the directory, and of its subagents' worktrees.
 * const { stream } = await client.global.event();
 * void (async () => {
 *   for await (const event of stream)
 *     if (background.covers(event.directory)) background.handleEvent(event.payload);
 * })();
 * const { task } = await background.tasks.launch({ description, prompt, agent, parentSessionID });
 * await background.tasks.wait(task.id, 600_000);
 * await background.dispose();
 * ```
 */
import { statSync } from "node:fs";
import { isAbsolute } from "node:path";
import { OpenCodeHost } from "./host/opencode-host.js";
import type { OpenCodeClient } from "./host/transport.js";
import { parseOptions, type Options } from "./options.js";
import { UserError, type Clock, type Log } from "./ports.js";
import { Workspace } from "./workspace.js";

/** What `openBackground` is given. */
export interface BackgroundSettings {
  /** OpenCode's SDK client, of either generation (`createOpencodeClient`). */
  client: OpenCodeClient;
  /** The absolute path of an existing folder: the project whose sessions start the jobs. */
  directory: string;
  /** The absolute path of where state is kept; `${XDG_STATE_HOME:-~/.local/state}/opencode/background` by default. */
  stateFolder?: string;
  /** Names the folder below `stateFolder`; "library" by default. */
  projectID?: string;
  /** As in the plugin's configuration, each with its default; a wrong one is an error here. */
  options?: Partial<Options>;
  /** For tests: the wall clock and the timers. */
  clock?: Clock;
  /** Where faults are told that no call can report; nowhere by default. */
  log?: Log;
}

/**
 * Background work for one directory, without the plugin. Pass it every event (`handleEvent`) of each directory that
 * it `covers`, and `dispose` it at the end: that ends what runs and writes the state.
 *
 * Throws a `UserError` that names every wrong option, or the setting that is missing.
 */
export function openBackground(settings: BackgroundSettings): Workspace {
  const { client, projectID = "library", directory, stateFolder } = settings;
  if (typeof client !== "object" || client === null) {
    throw new UserError("client: expected an OpenCode client, got nothing");
  }
  checkPath("directory", directory);
  if (!statSync(directory, { throwIfNoEntry: false })?.isDirectory()) {
    throw new UserError(`directory: expected an existing folder, got ${JSON.stringify(directory)}`);
  }
  if (stateFolder !== undefined) checkPath("stateFolder", stateFolder);
  const { options, faults } = parseOptions(settings.options);
  if (faults.length > 0) throw new UserError(faults.join("; "));
  return new Workspace({ ...settings, projectID, host: new OpenCodeHost(client), options });
}

/** Programs without types may pass anything. */
function checkPath(field: string, path: unknown): void {
  if (typeof path === "string" && isAbsolute(path)) return;
  const got = JSON.stringify(path) ?? "nothing";
  throw new UserError(`${field}: expected an absolute path, got ${got}`);
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
