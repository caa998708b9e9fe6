/** Programs that one talks to, on a real host: over a pipe and in the terminal that OpenCode's own runtime has. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { watch } from "node:fs/promises";
import { join } from "node:path";
import { describe } from "node:test";
import { callTool, PACKAGE_ROOT } from "../../fixtures/host/index.js";
import { shareServer, useHost, useProject, type Bed } from "./use-host.js";

shareServer();

/** Much more than any answer takes, on a machine that does other things, too. */
const waitSeconds = 60;

/** A test of a program, if it is installed. */
function testOf(bed: Bed, program: string, name: string, body: () => Promise<void>): void {
  bed.test(name, async (t) => {
    const isThere = spawnSync("sh", ["-c", `command -v ${program}`]).status === 0;
    if (isThere) await body();
    else t.skip(`${program} is not installed`);
  });
}

/** A session, its calls, and a process of it. */
async function desk(bed: Bed, command: string, more: object = {}) {
  const { host, model } = bed;
  const session = await host.createSession({ title: command });
  const call = (tool: string, args: object) => callTool(host, model, session.id, tool, { ...args });
  const created = await call("createBackgroundProcess", { command, ...more });
  const processId = /proc_\w{10}/u.exec(created)?.[0] ?? "";
  assert.ok(processId, created);
  return {
    session,
    processId,
    call,
    write: (args: object) => call("writeBackgroundProcess", { processId, waitSeconds, ...args }),
    screen: () => call("getBackgroundProcess", { processId, mode: "screen" }),
  };
}

/** Looks at the screen until it shows this. */
async function shows(screen: () => Promise<string>, pattern: RegExp): Promise<void> {
  let shown = "";
  for (let look = 0; look < 60; look++) {
    shown = await screen();
    if (pattern.test(shown)) return;
  }
  assert.match(shown, pattern);
}

describe("a program that one talks to", () => {
  const bed = useProject();

  for (const [program, command, prompt, steps] of [
    ["python3", "python3 -i -q", ">>> $", [["print(6 * 7)", "^42$|^\\| 42$"]]],
    ["node", "node -i", "> $", [["'a' + 6 * 7", "a42"]]],
    ["sqlite3", "sqlite3 -interactive", "sqlite> $", [["select 6 * 7;", "^42$"]]],
  ] as const) {
    for (const stdin of ["open", "terminal"] as const) {
      testOf(
        bed,
        program,
        `${program} with stdin ${stdin}: a line is written, its result is awaited`,
        async () => {
          const { write, call, processId } = await desk(bed, command, {
            stdin,
            readyPattern: prompt,
          });
          for (const [text, waitPattern] of steps) {
            const answer = await write({ text, keys: ["Enter"], waitPattern });
            assert.match(answer, /^proc_\w+ running/u);
            assert.match(answer, /42/u);
            assert.doesNotMatch(answer, /No line has matched/u);
          }
          const ended = await write({ end: true, waitPattern: "never printed" });
          assert.match(ended, /^proc_\w+ completed/u, ended);
          await call("killProcesses", { processId });
        },
      );
    }
  }

  bed.test("esbuild --watch goes on with an open stdin and builds again", async () => {
    const { host } = bed;
    writeFileSync(join(host.project, "in.js"), "console.log('first')");
    const esbuild = join(PACKAGE_ROOT, "node_modules/.bin/esbuild");
    const out = join(host.project, "out.js");
    const { call, processId } = await desk(bed, `${esbuild} in.js --outfile=out.js --watch`, {
      stdin: "open",
      readyPattern: "watching for changes",
    });
    const write = (args: object) => call("writeBackgroundProcess", { processId, ...args });
    // Each write of the file is an event, also the first half of one.
    const changes = watch(out, { signal: AbortSignal.timeout(60_000) });
    writeFileSync(join(host.project, "in.js"), "console.log('second')");
    let built = "";
    for await (const _ of changes) {
      built = readFileSync(out, "utf8");
      if (built.includes("second")) break;
    }
    assert.match(built, /second/u);
    const ended = await write({ end: true, waitPattern: "never printed", waitSeconds });
    assert.match(ended, /^proc_\w+ completed/u);
  });

  bed.test("a watcher that ends with its empty stdin is answered with what to do", async () => {
    const command = "process.stdin.on('end', () => process.exit(0)).resume()";
    const { host, model } = bed;
    const session = await host.createSession({ title: "empty" });
    const args = { command: `node -e "${command}" -- --watch`, readyPattern: "never printed" };
    const answer = await callTool(host, model, session.id, "createBackgroundProcess", args);
    assert.match(answer, /its stdin was empty, .*start it with "stdin":"open"/u);
  });

  testOf(bed, "npm", "npm init: each question is answered", async () => {
    const { write, processId, call } = await desk(bed, "mkdir -p made && cd made && npm init", {
      stdin: "terminal",
      readyPattern: "package name:",
      readyTimeoutSeconds: 120,
    });
    let shown = await write({ text: "told", keys: ["Enter"], waitPattern: "version:" });
    for (let question = 0; question < 20 && !shown.includes("Is this OK"); question++) {
      shown = await write({
        keys: ["Enter"],
        waitPattern: "\\S: *(\\(.*\\) *)?$|Is this OK",
        waitSeconds: 3,
      });
    }
    const last = await write({ text: "yes", keys: ["Enter"], waitPattern: "never printed" });
    assert.match(last, /^proc_\w+ completed/u, last);
    const made: unknown = JSON.parse(
      readFileSync(join(bed.host.project, "made/package.json"), "utf8"),
    );
    assert.ok(typeof made === "object" && made !== null && "name" in made);
    assert.equal(made.name, "told");
    await call("killProcesses", { processId });
  });

  bed.test("ctrl-C ends a dev server, which says so", async () => {
    const server = [
      "const s = require('http').createServer().listen(0, () => console.log('listening'));",
      "process.on('SIGINT', () => { console.log('bye'); s.close(); });",
    ].join("");
    writeFileSync(join(bed.host.project, "server.cjs"), server);
    const { write } = await desk(bed, "node server.cjs", {
      stdin: "terminal",
      readyPattern: "listening",
    });
    const answer = await write({ keys: ["C-c"], waitPattern: "never printed" });
    assert.match(answer, /^proc_\w+ completed/u, answer);
    assert.match(answer, /^\| .*bye$/mu);
  });

  testOf(bed, "less", "less is read as a screen, and turned by keys", async () => {
    const rows = Array.from({ length: 200 }, (_, index) => `row ${index + 1}`).join("\n");
    writeFileSync(join(bed.host.project, "rows.txt"), rows);
    const { write, screen } = await desk(bed, "less rows.txt", {
      stdin: "terminal",
      readyPattern: "rows.txt",
    });
    assert.match(await screen(), /^screen of 120×40.*:\n\| row 1\n\| row 2\n/mu);
    await write({ keys: ["PageDown"], waitPattern: "row 7\\d" });
    const turned = await screen();
    assert.match(turned, /^\| row 50$/mu);
    assert.doesNotMatch(turned, /^\| row 1$/mu);
    assert.match(await write({ text: "q", waitPattern: "never printed" }), /^proc_\w+ completed/u);
  });

  testOf(bed, "vim", "vim writes a file, and its screen shows it", async () => {
    const { write, screen } = await desk(bed, "vim -u NONE -N note.txt", { stdin: "terminal" });
    await shows(screen, /^\| "note\.txt"/mu);
    await write({ text: "ihello from vim", keys: ["Escape"], waitSeconds: 0 });
    await shows(screen, /^\| hello from vim$/mu);
    const last = await write({ text: ":wq", keys: ["Enter"], waitPattern: "never printed" });
    assert.match(last, /^proc_\w+ completed/u, last);
    assert.equal(readFileSync(join(bed.host.project, "note.txt"), "utf8"), "hello from vim\n");
  });

  bed.test("a kill of a terminal leaves no process, also none that left the group", async () => {
    const { call, processId } = await desk(
      bed,
      "bash -ic 'sleep 71 & setsid sleep 72 & trap \"\" HUP TERM; echo up; cat; cat'",
      { stdin: "terminal", readyPattern: "up" },
    );
    const killed = await call("killProcesses", { processId });
    assert.match(killed, /no process of it is left/u);
    assert.equal(spawnSync("pgrep", ["-f", `^sleep 7[12]$`]).stdout.toString(), "");
  });
});

describe("a host that is killed with terminals open", () => {
  const bed = useHost();

  bed.test("leaves none of their processes", async () => {
    await desk(bed, "trap '' HUP; nohup sleep 81 & setsid sleep 82 & echo up; cat; sleep 83", {
      stdin: "terminal",
      readyPattern: "up",
    });
    await bed.host.stop("SIGKILL");
    assert.deepEqual(await bed.host.survivors(15_000), []);
  });
});

describe("what may be written", () => {
  const rules = {
    bash: { "*": "ask", "cat *": "allow", "cat *<<<*secret*": "deny" },
  };
  const bed = useProject({ config: { permission: rules } });

  bed.test(
    "a rule that allows a program allows its input, one that denies some of it counts",
    async () => {
      const { write } = await desk(bed, "cat -u", { stdin: "open" });
      assert.match(await write({ text: "plain\n", waitPattern: "plain" }), /^\| plain$/mu);
      const denied = await write({ text: "a secret\n" });
      assert.doesNotMatch(denied, /^proc_/u);
      // In pieces it is no less.
      await write({ text: "sec", waitSeconds: 0 });
      assert.doesNotMatch(await write({ text: "ret\n" }), /^proc_/u);
    },
  );
});

describe("what may be written into a shell", () => {
  const bed = useProject({ config: { permission: { bash: "ask" } } });

  bed.test("what is typed into a shell is asked as a command", async () => {
    const { host, model } = bed;
    const starting = desk(bed, "bash --norc", { stdin: "open" });
    // A shell that reads what it runs is hidden code from the start.
    const start = await host.waitFor("permission.asked");
    await host.answerPermission(start.properties.id, "once");
    const { session, processId } = await starting;
    const args = { processId, text: "echo typed\n", waitPattern: "typed", waitSeconds };
    const answer = callTool(host, model, session.id, "writeBackgroundProcess", args);
    const { properties } = await host.waitFor(
      "permission.asked",
      (it) => it.sessionID === session.id && it.id !== start.properties.id,
    );
    assert.deepEqual(properties.patterns, ["echo typed"]);
    await host.answerPermission(properties.id, "once");
    assert.match(await answer, /^\| typed$/mu);
  });
});
