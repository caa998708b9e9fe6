/** The plugin's start: it names hooks and tools and does nothing else until the host has something for it. */
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it, mock, type TestContext } from "node:test";
import { createOpencodeClient } from "@opencode-ai/sdk";
import type { Hooks, PluginInput } from "@opencode-ai/plugin";
import { z } from "zod";
import { deferred } from "../fixtures/deferred.js";
import { server } from "../src/plugin.js";
import { Workspace } from "../src/workspace.js";

const entry = z.object({ level: z.string(), message: z.string() });

interface Stage {
  state: string;
  /** Bodies of what was sent to the log. */
  logged: z.infer<typeof entry>[];
  /** Until the first of them. */
  logging: Promise<void>;
  requests: string[];
  load: (options?: Record<string, unknown>) => Promise<Hooks>;
}

/** A client that answers `true` to everything. */
function stage(t: TestContext, change: (client: PluginInput["client"]) => object = (same) => same) {
  const folder = mkdtempSync(join(tmpdir(), "obm-plugin-"));
  const before = process.env["XDG_STATE_HOME"];
  process.env["XDG_STATE_HOME"] = folder;
  const logging = deferred<void>();
  const made: Stage = {
    state: join(folder, "opencode"),
    logged: [],
    logging: logging.promise,
    requests: [],
    load: (options) => server(input, options),
  };
  const client = createOpencodeClient({
    baseUrl: "http://127.0.0.1:9",
    fetch: async (request: Request) => {
      const { pathname } = new URL(request.url);
      made.requests.push(pathname);
      if (pathname === "/log") {
        made.logged.push(entry.parse(await request.json()));
        logging.resolve();
      }
      return Response.json(true);
    },
  });
  const input: PluginInput = Object.assign(Object.create(null), {
    client: change(client),
    directory: folder,
    project: { id: "test" },
  });
  t.after(() => {
    if (before === undefined) delete process.env["XDG_STATE_HOME"];
    else process.env["XDG_STATE_HOME"] = before;
    rmSync(folder, { recursive: true });
  });
  return made;
}

const event = (number: number) => ({
  event: { type: "session.idle", properties: { sessionID: `ses_${number}` } } as const,
});

describe("the plugin's start", () => {
  it("asks the host nothing, writes nothing and opens nothing", async (t) => {
    const { load, requests, state } = stage(t);
    const hooks = await load();
    assert.equal(Object.keys(hooks.tool ?? {}).length, 9);
    await hooks.dispose?.();
    assert.deepEqual(requests, []);
    assert.equal(existsSync(state), false);
  });

  it("has bash, and no word about the host's, only where the options say so", async (t) => {
    const { load } = stage(t);
    const [usual, silent, own] = [
      await load(),
      await load({ bashHint: false }),
      await load({ bash: "continue" }),
    ];
    const names = (hooks: Hooks) => Object.keys(hooks.tool ?? {});
    assert.ok(!names(usual).includes("bash") && usual["tool.execute.after"]);
    assert.ok(!names(silent).includes("bash") && !silent["tool.execute.after"]);
    assert.ok(names(own).includes("bash") && !own["tool.execute.after"]);
    for (const hooks of [usual, silent, own]) await hooks.dispose?.();
  });

  it("keeps the order of events that come while the rest is loaded", async (t) => {
    const { load } = stage(t);
    const handled: unknown[] = [];
    const spy = mock.method(Workspace.prototype, "handleEvent", (each: unknown) => {
      handled.push(each);
    });
    t.after(() => spy.mock.restore());
    const hooks = await load();
    const events = Array.from({ length: 50 }, (_, number) => event(number));
    await Promise.all(events.map(async (each) => hooks.event?.(each)));
    assert.deepEqual(
      handled,
      events.map((each) => each.event),
    );
    await hooks.dispose?.();
  });

  it("names a wrong option in one line of the log, without waiting for an event", async (t) => {
    const { load, logged, logging } = stage(t);
    const hooks = await load({ maxRunning: 0 });
    await logging;
    await hooks.dispose?.();
    assert.equal(logged.length, 1);
    assert.equal(logged[0]?.level, "warn");
    assert.match(logged[0]?.message ?? "", /^option "maxRunning": .+; using the default$/u);
  });

  it("shares what it opens, and the last one who leaves closes it, once", async (t) => {
    const { load } = stage(t);
    const disposals = mock.method(Workspace.prototype, "dispose");
    t.after(() => disposals.mock.restore());
    const [first, second] = [await load(), await load()];
    await first.event?.(event(1));
    await first.dispose?.();
    await first.dispose?.();
    assert.equal(disposals.mock.callCount(), 0);
    await second.dispose?.();
    assert.equal(disposals.mock.callCount(), 1);
    // An instance that leaves again does not take the next one's workspace away.
    const third = await load();
    await third.event?.(event(2));
    await second.dispose?.();
    assert.equal(disposals.mock.callCount(), 1);
    await third.dispose?.();
    assert.equal(disposals.mock.callCount(), 2);
  });

  it("says in the log and in every tool's answer that it could not be loaded, and disturbs no other call", async (t) => {
    const { load, logged } = stage(t, ({ app }) => ({ app }));
    const hooks = await load();
    await Promise.all([hooks.event?.(event(1)), hooks.event?.(event(2))]);
    const list: unknown = Reflect.get(hooks.tool?.["listBackgroundTasks"] ?? {}, "execute");
    assert.ok(typeof list === "function");
    const words = /^background work is not available: Expected `client` to be/u;
    await assert.rejects(Reflect.apply(list, undefined, [{}, { sessionID: "ses_1" }]), {
      message: words,
    });
    await hooks.dispose?.();
    assert.deepEqual(
      logged.map(({ level }) => level),
      ["error"],
    );
    assert.match(logged[0]?.message ?? "", words);
  });
});
