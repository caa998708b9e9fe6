// Owns: a real workspace over a host in memory, in a folder of its own that is removed after the test, and the
// context in which the host calls a tool. Promises: whatever would start or end something is counted.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import type { ToolContext, ToolDefinition } from "@opencode-ai/plugin";
import { parseOptions, type Options } from "../../src/options.js";
import { createTools } from "../../src/tools/index.js";
import { Workspace } from "../../src/workspace.js";
import { FakeClock } from "./clock.js";
import { FakeHost } from "./host.js";

export interface Desk {
  workspace: Workspace;
  host: FakeHost;
  clock: FakeClock;
  root: string;
  /** Calls of the methods that start or end something. */
  acts: string[];
  tools: Record<string, ToolDefinition>;
  call: (tool: string, args: unknown, context?: Partial<ToolContext>) => Promise<string>;
  /** Ends this workspace and opens another over the same folders and host. */
  restart: () => Promise<Desk>;
}

export function desk(t: TestContext, options: Partial<Options> = {}, oneShot = false): Desk {
  const folder = mkdtempSync(join(tmpdir(), "obm-desk-"));
  const opened: Workspace[] = [];
  t.after(async () => {
    await Promise.allSettled(opened.map((workspace) => workspace.dispose()));
    rmSync(folder, { recursive: true, force: true });
  });
  const clock = new FakeClock();
  const host = new FakeHost(clock);
  const place = { folder, clock, host, root: host.addRoot(), opened };
  return openDesk(place, options, oneShot);
}

function openDesk(
  place: Pick<Desk, "clock" | "host" | "root"> & { folder: string; opened: Workspace[] },
  options: Partial<Options>,
  oneShot: boolean,
): Desk {
  const { folder, clock, host, root } = place;
  const workspace = new Workspace({
    host,
    directory: folder,
    projectID: "test",
    stateFolder: join(folder, "state"),
    options: { ...parseOptions().options, ...options },
    oneShot,
    clock,
  });
  place.opened.push(workspace);
  const acts: string[] = [];
  const { tasks, processes } = workspace;
  const spy = (owner: typeof tasks | typeof processes, method: string): void => {
    const original: unknown = Reflect.get(owner, method);
    if (typeof original !== "function") throw new Error(`there is no method ${method}`);
    Reflect.set(owner, method, (...args: unknown[]): unknown => {
      acts.push(method);
      return Reflect.apply(original, owner, args);
    });
  };
  for (const method of ["launch", "resume", "cancel"]) spy(tasks, method);
  for (const method of ["create", "kill"]) spy(processes, method);
  const tools = createTools(async (sessionID) => {
    await workspace.ready(sessionID);
    return workspace;
  });
  const call: Desk["call"] = async (name, args, context = {}) => {
    const tool = tools[name];
    if (!tool) throw new Error(`there is no tool ${name}`);
    // The host hands on whatever the model wrote.
    const execute: unknown = Reflect.get(tool, "execute");
    if (typeof execute !== "function") throw new Error(`${name} cannot be called`);
    const result: unknown = await Reflect.apply(execute, tool, [
      args,
      {
        sessionID: root,
        messageID: host.newMessageID(),
        agent: "build",
        directory: folder,
        worktree: folder,
        abort: new AbortController().signal,
        metadata: () => undefined,
        ask: () => Promise.resolve(),
        ...context,
      },
    ]);
    if (typeof result !== "string") throw new Error(`${name} answered ${typeof result}`);
    return result;
  };
  const restart = async () => {
    await workspace.dispose();
    return openDesk(place, options, oneShot);
  };
  return { workspace, host, clock, root, acts, tools, call, restart };
}
