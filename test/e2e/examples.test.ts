/** The examples of the README, really played. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { appendFileSync, writeFileSync } from "node:fs";
import { connect, createServer, type AddressInfo } from "node:net";
import { once } from "node:events";
import { join } from "node:path";
import { describe } from "node:test";
import { callTool, callTools, PACKAGE_ROOT } from "../../fixtures/host/index.js";
import { forever, text, toolCall } from "../../fixtures/model/index.js";
import { childOf, firstJob, jobIds, launch, noticeTo } from "./support.js";
import { useHost } from "./use-host.js";

const EXAMPLES = join(PACKAGE_ROOT, "fixtures/examples");

describe("the examples of the README", () => {
  const bed = useHost();

  bed.test("a build pipeline: tags, filters, and a linter for all sessions", async () => {
    const { host, model } = bed;
    const session = await host.createSession({ title: "pipeline" });
    const start = (name: string, extra: object, then = "sleep 400") =>
      [
        "createBackgroundProcess",
        { command: `echo ${name} runs; ${then}`, name, ...extra },
      ] as const;
    const finds = "until [ -e finds ]; do sleep 0.05; done; echo OPENCODE_NOTIFY: found; sleep 401";
    await callTools(host, model, session.id, [
      start("build", { tags: ["build", "critical"] }),
      start("tests", { tags: ["test", "validation"] }),
      start("linter", { tags: ["lint"], global: true }, finds),
    ]);
    const [build = "", tests = "", linter = ""] = jobIds(bed, session.id);
    const [all = "", some = ""] = await callTools(host, model, session.id, [
      ["listBackgroundProcesses", {}],
      ["listBackgroundProcesses", { tags: ["critical", "validation"] }],
    ]);
    for (const id of [build, tests, linter]) assert.ok(all.includes(id));
    assert.ok(some.includes(build) && some.includes(tests) && !some.includes(linter));
    const killed = await callTool(host, model, session.id, "killProcesses", { tags: ["test"] });
    assert.match(killed, new RegExp(`^${tests} cancelled`, "u"));
    const rest = await callTool(host, model, session.id, "listBackgroundProcesses", {
      sessionId: session.id,
      status: "running",
    });
    assert.ok(rest.includes(build) && rest.includes(linter) && !rest.includes(tests), rest);
    const other = await host.createSession({ title: "another session" });
    const global = await callTool(host, model, other.id, "listBackgroundProcesses", {});
    assert.ok(global.includes(linter) && !global.includes(build));
    await host.deleteSession(session.id);
    assert.deepEqual(await host.survivors(15_000, "build runs"), []);
    // A line that would wake its session comes after that session is gone: the linter goes on.
    const turns = model.turns(session.id).length;
    writeFileSync(join(host.project, "finds"), "");
    const read = () =>
      callTool(host, model, other.id, "getBackgroundProcess", { processId: linter });
    while (!/^\| OPENCODE_NOTIFY: found$/mu.test(await read()));
    assert.equal(model.turns(session.id).length, turns);
    const left = await callTool(host, model, other.id, "listBackgroundProcesses", {
      status: "running",
    });
    assert.ok(left.includes(linter));
    await callTool(host, model, other.id, "killProcesses", { processId: linter });
  });

  bed.test("a JSON API that the agent and a subagent use while it runs", async () => {
    const { host, model } = bed;
    const session = await host.createSession({ title: "api" });
    const port = await freePort();
    const [started = ""] = await callTools(host, model, session.id, [
      [
        "createBackgroundProcess",
        { command: `node ${EXAMPLES}/json-api.mjs ${port}`, name: "api", readyPort: port },
      ],
    ]);
    assert.match(started, new RegExp(`ready on port ${port}`, "u"));
    const call = (method: string, path: string, body = "") =>
      [
        "bash",
        {
          command: `node ${EXAMPLES}/call.mjs ${method} http://127.0.0.1:${port}${path} '${body}'`,
          description: method,
        },
      ] as const;
    const [created = ""] = await callTools(host, model, session.id, [
      call("POST", "/items", '{"name":"one"}'),
    ]);
    assert.match(created, /^201 \{"id":1,"name":"one"\}/u);
    model.script("change the item", [
      toolCall(...call("PUT", "/items/1", '{"name":"changed"}')),
      text("I changed it."),
    ]);
    model.scriptSession(session.id, [launch("change the item"), text("started"), text("noted")]);
    await host.run(session.id, "let a subagent change it");
    await noticeTo(bed, session.id, /I changed it/u);
    await host.waitIdle(session.id);
    // One after the other: the calls of one turn run side by side.
    const read = await callTool(host, model, session.id, ...call("GET", "/items/1"));
    const deleted = await callTool(host, model, session.id, ...call("DELETE", "/items/1"));
    const gone = await callTool(host, model, session.id, ...call("GET", "/items/1"));
    assert.match(read, /^200 \{"id":1,"name":"changed"\}/u);
    assert.match(deleted, /^204/u);
    assert.match(gone, /^404/u);
    const processId = jobIds(bed, session.id).find((id) => id.startsWith("proc_"));
    const log = await callTool(host, model, session.id, "getBackgroundProcess", {
      processId,
      mode: "grep",
      pattern: "^PUT",
    });
    assert.match(log, /PUT \/items\/1 \{"name":"changed"\}/u);
    assert.ok(await childOf(bed, session.id));
  });

  bed.test("an echo server in python that never flushes what it prints", async (t) => {
    if (spawnSync("python3", ["--version"]).status !== 0) {
      t.skip("python3 is not installed");
      return;
    }
    const { host, model } = bed;
    const session = await host.createSession({ title: "echo" });
    const started = await callTool(host, model, session.id, "createBackgroundProcess", {
      command: `python3 ${EXAMPLES}/echo-server.py`,
      readyPattern: "listening on port",
    });
    const [, port = ""] = /Ready: listening on port (\d+)/u.exec(started) ?? [];
    const socket = connect(Number(port), "127.0.0.1").setEncoding("utf8");
    socket.write("hello\n");
    assert.deepEqual(await once(socket, "data"), ["hello\n"]);
    socket.destroy();
    const log = await callTool(host, model, session.id, "getBackgroundProcess", {
      processId: firstJob(bed, session.id),
      pattern: "^received: ",
    });
    assert.match(log, /2:received: hello$/mu);
  });

  bed.test("a watcher that wakes the agent", async () => {
    const { host, model } = bed;
    const session = await host.createSession({ title: "watcher" });
    const folder = join(host.project, "inbox");
    model.scriptSession(session.id, [
      toolCall("createBackgroundProcess", {
        command: `node ${EXAMPLES}/watcher.mjs inbox`,
        readyPattern: "^watching",
      }),
      text("I watch it."),
      text("I saw it."),
    ]);
    await host.run(session.id, "watch the inbox");
    writeFileSync(join(folder, "order-1.json"), "{}");
    const notice = await noticeTo(bed, session.id, /new file/u);
    assert.match(notice, /^\| new file order-1\.json$/mu);
    assert.match(notice, /status="running"/u);
  });

  bed.test(
    "what needs no tool of its own: a while, a command's end, a log, every so often",
    async () => {
      const { host, model } = bed;
      const session = await host.createSession({ title: "no tool" });
      const log = join(host.project, "server.log");
      writeFileSync(log, "");
      const start = (command: string, extra: object = {}) =>
        toolCall("createBackgroundProcess", { command, ...extra });
      // The same commands, with shorter times; `gh run watch --exit-status` ends as its run of CI does.
      model.scriptSession(session.id, [
        [
          start("sleep 2", { name: "a while" }),
          start("sleep 2; exit 1", { name: "CI" }),
          start(`tail -F ${log}`, { name: "log", notifyPattern: "error" }),
          start("while true; do echo 3 checks failed; sleep 300; done", {
            name: "checks",
            notifyPattern: "failed",
          }),
        ],
        text("I wait."),
        forever(text("Noted.")),
      ]);
      await host.run(session.id, "wake me");
      appendFileSync(log, "an error came\n");
      const of = (name: string) => noticeTo(bed, session.id, new RegExp(`^name: ${name}$`, "mu"));
      assert.match(await of("a while"), /status="completed"[^>]*>\nname: a while$/mu);
      assert.match(await of("CI"), /status="failed"[^>]*>\nname: CI\n.*exit code: 1/u);
      assert.match(await of("log"), /^\| an error came$/mu);
      assert.match(await of("checks"), /^\| 3 checks failed$/mu);
    },
  );
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  assert.ok(isInternet(address));
  server.close();
  await once(server, "close");
  return address.port;
}

function isInternet(address: AddressInfo | string | null): address is AddressInfo {
  return typeof address === "object" && address !== null;
}
