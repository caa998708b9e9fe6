/**
 * The plugin: its hooks and tools over the workspace of the directory. Nothing here waits for the host while the
 * plugin starts, for the host waits for the plugin; the workspace is loaded by the first event or call.
 */
import type { Plugin, PluginInput, PluginOptions, ToolDefinition } from "@opencode-ai/plugin";
import { isMainThread } from "node:worker_threads";
import { DETACHED_HINT, detaches } from "./bash/limits.js";
import { isOneShot, served } from "./host/opencode.js";
import { isWritten } from "./host/written.js";
import { coerceError } from "./ports.js";
import { Shared } from "./shared.js";
import type { Ready } from "./tools/define.js";
import { createTools } from "./tools/index.js";
import type { Workspace, WorkspaceSettings } from "./workspace.js";

export const server: Plugin = async (input, rawOptions) => {
  served();
  let shell: string | undefined;
  const configuredShell = () => shell;
  const shared = Shared.of(input.directory, (predecessor) =>
    loadWorkspace(input, rawOptions, { predecessor, homes: shared.homes, configuredShell }),
  );
  const user = shared.join();
  // The sessions in use are told what the reload has ended, without waiting for an event.
  if (shared.hasPredecessor)
    void shared.workspace().then((workspace) => workspace.restore(), ignore);
  // The page is served from the start; in a worktree by the directory that it belongs to.
  if (rawOptions?.["web"] !== undefined)
    void shared.home().then((home) => home?.workspace().catch(ignore));
  /** For those that must go on without it. */
  const leading = async (): Promise<Workspace | undefined> => {
    if (!shared.leads(user)) return undefined;
    return (await shared.home())?.workspace().catch(ignore);
  };

  const problems = findProblems(shared, rawOptions);
  const ready = async (sessionID: string): Promise<Workspace> => {
    const home = await shared.home();
    if (!home) throw new Error("the OpenCode instance that this worktree belongs to has ended");
    const workspace = await home.workspace();
    await workspace.ready(sessionID);
    return workspace;
  };
  const bash = rawOptions?.["bash"] === "continue" ? await loadBash(ready, rawOptions) : undefined;
  const hints = bash === undefined && rawOptions?.["bashHint"] !== false;
  return {
    tool: { ...createTools(ready), ...(bash && { bash }) },
    config: async (config) => {
      // The first SDK's types lack it.
      const set: unknown = Reflect.get(config, "shell");
      shell = typeof set === "string" && set !== "" ? set : undefined;
    },
    event: async ({ event }) => {
      const workspace = await leading();
      // Shown once there is a terminal to see it in.
      const unseen = workspace ? (await problems).splice(0) : [];
      // One for all: the host shows one toast at a time.
      if (unseen.length > 0) workspace?.notices.toast(unseen.join("\n"), "warning");
      workspace?.handleEvent(event);
    },
    "chat.message": async ({ sessionID }, { message, parts }) => {
      const workspace = await leading();
      const typed = parts.some(isWritten);
      const text = await workspace?.userMessage({ sessionID, messageID: message.id, typed });
      if (workspace === undefined || text === undefined) return;
      const id = workspace.ids.next("prt");
      parts.push({ id, sessionID, messageID: message.id, type: "text", text, synthetic: true });
    },
    "tool.definition": async ({ toolID }, output) => {
      if (toolID !== "createBackgroundTask") return;
      const line = await (await leading())?.agentsLine();
      if (line !== undefined) output.description += ` ${line}`;
    },
    "experimental.session.compacting": async ({ sessionID }, output) => {
      const note = (await leading())?.notices.compactionNote(sessionID);
      if (note !== undefined) output.context.push(note);
    },
    ...(hints && {
      "tool.execute.after": async ({ tool, args }, output) => {
        const command: unknown = tool === "bash" ? Reflect.get(Object(args), "command") : undefined;
        if (detaches(command)) output.output += DETACHED_HINT;
      },
    }),
    dispose: () => shared.leave(user),
  };
};

/** In the place of the host's own, for those who have chosen it. */
async function loadBash(ready: Ready, rawOptions: PluginOptions): Promise<ToolDefinition> {
  const [{ bash }, { parseOptions }] = await Promise.all([
    import("./tools/bash.js"),
    import("./options.js"),
  ]);
  return bash(ready, parseOptions(rawOptions).options);
}

/** Of what is logged, and answered by every tool. */
const ignore = (): undefined => undefined;

/** Ids that the host gives to projects: that of a directory without version control, or a repository's first commit. */
const HOST_PROJECT = /^(?:global|[0-9a-f]{40}|[0-9a-f]{64})$/u;

async function loadWorkspace(
  { client, directory, project }: PluginInput,
  rawOptions: PluginOptions | undefined,
  given: Pick<WorkspaceSettings, "predecessor" | "homes" | "configuredShell">,
): Promise<Workspace> {
  try {
    const [{ OpenCodeHost }, { parseOptions }, { tellWhenUnseen }, { HostPage }, { Workspace }] =
      await Promise.all([
        import("./host/opencode-host.js"),
        import("./options.js"),
        import("./terminal-part.js"),
        import("./web/host-page.js"),
        import("./workspace.js"),
      ]);
    const host = new OpenCodeHost(client);
    const log = host.writeLog.bind(host);
    // This module is part of the package's entry, below which all built files are.
    const page = new HostPage(log, new URL(".", import.meta.url));
    const workspace = new Workspace({
      ...given,
      host,
      directory,
      projectID: project.id,
      isSibling: (name) => HOST_PROJECT.test(name),
      options: parseOptions(rawOptions).options,
      oneShot: isOneShot(),
      page,
      log,
    });
    page.serve(workspace);
    // The server of a terminal runs in a thread of that terminal; another one knows nothing of who looks at it.
    if (!isMainThread) tellWhenUnseen(workspace);
    return workspace;
  } catch (thrown) {
    const message = `background work is not available: ${coerceError(thrown).message}`;
    const entry = { service: "background", level: "error", message } as const;
    // What cannot be logged either is still answered by every tool.
    await client.app.log({ body: entry }).catch(ignore);
    throw new Error(message, { cause: thrown });
  }
}

/** Logged at once; the answer is to be shown. Most users give no options, and then nothing is loaded. */
async function findProblems(shared: Shared, rawOptions: PluginOptions = {}): Promise<string[]> {
  if (Object.keys(rawOptions).length === 0) return [];
  // What keeps them from being read keeps the workspace from being loaded, which says so.
  const room = await import("./options.js").catch(ignore);
  const problems = room?.parseOptions(rawOptions).problems ?? [];
  if (problems.length === 0) return problems;
  const workspace = await shared.workspace().catch(ignore);
  for (const problem of problems) workspace?.log("warn", problem);
  return problems;
}
