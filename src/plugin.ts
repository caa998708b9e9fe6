/**
 * The plugin: one workspace per directory, shared when the plugin is listed twice, and its hooks. Nothing here
 * waits for the host while the plugin starts, for the host waits for the plugin.
 */
import type { Hooks, Plugin } from "@opencode-ai/plugin";
import { OpenCodeHost } from "./host/opencode-host.js";
import { parseOptions } from "./options.js";
import { createTools } from "./tools/index.js";
import { Workspace } from "./workspace.js";

interface Shared {
  workspace: Workspace;
  /** Everyone who loaded it; the first one handles the events. */
  users: Set<symbol>;
}

/** A second copy of this module must find the first one's workspaces: a module variable would not do. */
const REGISTRY = Symbol.for("opencode-background-manager/workspaces");

export const server: Plugin = (input, rawOptions) => {
  const { client, directory, project } = input;
  const host = new OpenCodeHost(client);
  const log = host.writeLog.bind(host);
  const { options, problems } = parseOptions(rawOptions);
  const workspaces = registry();
  let shared = workspaces.get(directory);
  if (!shared) {
    const projectID = project.id;
    shared = {
      workspace: new Workspace({ host, directory, projectID, options, log }),
      users: new Set(),
    };
    workspaces.set(directory, shared);
  }
  const user = Symbol("user");
  shared.users.add(user);
  for (const problem of problems) log("warn", problem);
  return Promise.resolve(hooksFor(shared, user, problems, () => workspaces.delete(directory)));
};

function hooksFor(
  { workspace, users }: Shared,
  user: symbol,
  problems: string[],
  forget: () => void,
): Hooks {
  const leads = (): boolean => [...users][0] === user;
  return {
    tool: createTools(workspace),
    event: async ({ event }) => {
      if (!leads()) return;
      // Shown once somebody is there to see it.
      for (const problem of problems.splice(0)) workspace.notices.toast(problem, "warning");
      workspace.handleEvent(event);
    },
    "chat.message": async ({ sessionID }, { message, parts }) => {
      if (!leads()) return;
      const typed = parts.some((part) => part.type !== "text" || !part.synthetic);
      const text = await workspace.userMessage({ sessionID, messageID: message.id, typed });
      if (text === undefined) return;
      const id = workspace.ids.next("prt");
      parts.push({ id, sessionID, messageID: message.id, type: "text", text, synthetic: true });
    },
    "experimental.session.compacting": async ({ sessionID }, output) => {
      const note = leads() ? workspace.notices.compactionNote(sessionID) : undefined;
      if (note !== undefined) output.context.push(note);
    },
    dispose: async () => {
      users.delete(user);
      if (users.size > 0) return;
      forget();
      await workspace.dispose();
    },
  };
}

function registry(): Map<string, Shared> {
  const known: unknown = Reflect.get(globalThis, REGISTRY);
  if (isRegistry(known)) return known;
  const created = new Map<string, Shared>();
  Reflect.set(globalThis, REGISTRY, created);
  return created;
}

function isRegistry(value: unknown): value is Map<string, Shared> {
  return value instanceof Map;
}
