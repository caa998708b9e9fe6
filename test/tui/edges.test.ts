// What comes from outside: options, the server's answer about itself, requests of the user.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test, type TestContext } from "node:test";
import { createOpencodeClient } from "@opencode-ai/sdk/v2";
import { requestEvent, parseUserRequest } from "../../src/host/user-request.js";
import { parseTuiOptions } from "../../src/tui/context.js";
import { findOrigin } from "../../src/tui/source.js";
import { answering } from "./answering.js";

void describe("the options", () => {
  test("have defaults", () => {
    const { options, problems } = parseTuiOptions();
    assert.deepEqual(problems, []);
    assert.deepEqual(options, {
      key: "<leader>j",
      fadeMinutes: 5,
      sidebarJobs: 8,
      sidebarEnded: 4,
      attention: true,
    });
  });

  test("a wrong one costs only itself, and is named", () => {
    const raw = { key: 5, sidebarJobs: 3, sidebarjobs: 4, fadeMinutes: -1 };
    const { options, problems } = parseTuiOptions(raw);
    assert.equal(options.key, "<leader>j");
    assert.equal(options.sidebarJobs, 3);
    assert.equal(options.fadeMinutes, 5);
    assert.deepEqual(problems, [
      'option "key": expected a text or false, got 5; using the default',
      'option "sidebarjobs" is unknown and was ignored',
      'option "fadeMinutes": expected at least 0, got -1; using the default',
    ]);
  });

  test("take no key at all", () => {
    assert.equal(parseTuiOptions({ key: false }).options.key, false);
  });
});

void describe("a request to end a job", () => {
  test("is read as it was written", () => {
    for (const act of ["cancel", "remove", "restart"] as const) {
      const request = { act, jobID: "proc_a" };
      assert.deepEqual(parseUserRequest(requestEvent(request)), request);
    }
    const typed = { act: "type", jobID: "proc_a", sealed: "a-b_c.d" } as const;
    assert.deepEqual(parseUserRequest(requestEvent(typed)), typed);
  });

  test("is nothing else", () => {
    const other = { type: "tui.command.execute", properties: { command: "session.new" } };
    const bare = {
      type: "tui.command.execute",
      properties: { command: "opencode-background-manager.cancel" },
    };
    for (const event of [other, bare, { type: "session.idle" }, null, "x", undefined]) {
      assert.equal(parseUserRequest(event), undefined);
    }
  });
});

void describe("the server", () => {
  const ask = (baseUrl: string, state: string, answer: unknown = { id: "p1" }) =>
    findOrigin({
      client: createOpencodeClient({
        baseUrl,
        fetch: answering(() => Response.json(answer)),
      }),
      state: { path: { state, directory: "/project" } },
    });
  const folder = (t: TestContext) => {
    const made = mkdtempSync(join(tmpdir(), "obm-origin-"));
    t.after(() => rmSync(made, { recursive: true }));
    return made;
  };

  test("in this process or on this machine has its jobs in its state folder", async (t) => {
    const state = folder(t);
    const own = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
    const addresses = own.filter(({ family }) => family === "IPv4").map(({ address }) => address);
    for (const name of ["opencode.internal", "127.0.0.1:4096", "localhost", ...addresses]) {
      const root = join(state, "background");
      const expected = { kind: "here", root, projectID: "p1", directory: "/project" };
      assert.deepEqual(await ask(`http://${name}`, state), expected, name);
    }
  });

  test("on another machine is out of sight, though a folder of that name may be here", async (t) => {
    const found = await ask("http://far.example.com:4096", folder(t));
    assert.deepEqual(found, { kind: "elsewhere", server: "far.example.com" });
  });

  test("behind a tunnel is out of sight: its folder is not here", async () => {
    const found = await ask("http://127.0.0.1:4096", "/nowhere/opencode");
    assert.deepEqual(found, { kind: "elsewhere", server: "127.0.0.1" });
  });

  test("whose folders the terminal does not know yet is an error, and no other machine", async () => {
    await assert.rejects(ask("http://opencode.internal", ""), /folders yet/);
  });

  test("that refuses is an error", async (t) => {
    const refused = createOpencodeClient({
      baseUrl: "http://127.0.0.1",
      fetch: answering(() => Response.json({ message: "no" }, { status: 401 })),
    });
    const path = { state: folder(t), directory: "/project" };
    await assert.rejects(findOrigin({ client: refused, state: { path } }), /which project/);
  });
});
