/** Programs that one talks to, on a real host: over a pipe and in the terminal that OpenCode's own runtime has. */
import assert from "node:assert/strict";
import { execFile, spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { watch } from "node:fs/promises";
import { join } from "node:path";
import { describe } from "node:test";
import { promisify } from "node:util";
import { environment } from "../../fixtures/host/folders.js";
import { callTool, callTools, PACKAGE_ROOT } from "../../fixtures/host/index.js";
import { Registry } from "../../fixtures/tui/registry.js";
import { noticeTo, timesTold } from "./support.js";
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

/** What our command line says beside this OpenCode. */
async function commandLine({ host }: Bed, ...args: string[]): Promise<string> {
  const cli = join(PACKAGE_ROOT, "dist/cli/main.js");
  const env = { ...process.env, ...environment(host.folders) };
  return (await promisify(execFile)(process.execPath, [cli, ...args], { env })).stdout;
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

  bed.test("npx asks whether to install, is told of, and goes on when answered", async () => {
    const { host } = bed;
    const name = "says-hello-once";
    const bin = { [name]: "hello.cjs" };
    const folder = join(host.folders.temp, "package");
    mkdirSync(folder);
    writeFileSync(join(folder, "package.json"), JSON.stringify({ name, version: "1.0.0", bin }));
    writeFileSync(join(folder, "hello.cjs"), "#!/usr/bin/env node\nconsole.log('hello, once')");
    const tarball = spawnSync("tar", ["cz", "package"], { cwd: host.folders.temp }).stdout;
    const published = { name, version: "1.0.0", tarball, bin };
    // Nothing else is asked of it.
    const registry = await Registry.start(published, "http://127.0.0.1:9");
    try {
      const command = `npx --registry ${registry.url} ${name}`;
      const { session, write } = await desk(bed, command, { stdin: "terminal" });
      const told = await noticeTo(bed, session.id, /waits for input/u);
      assert.match(told, /^\| Ok to proceed\? \(y\)$/mu);
      const answer = await write({ text: "y", keys: ["Enter"], waitPattern: "hello, once" });
      assert.match(answer, /^\| hello, once$/mu);
    } finally {
      await registry.close();
    }
  });

  bed.test("programs that ask say so everywhere, once, until they are answered", async () => {
    const { host, model } = bed;
    const asks = `process.stdout.write("Ok to proceed? (y) "); process.stdin.once("data", (d) => console.log("got " + d)); setInterval(() => {}, 1000);`;
    writeFileSync(join(host.project, "ask.cjs"), asks);
    const shell = `printf 'Ok to proceed? (y) '; read -r said; echo "got $said"; sleep 300`;
    const session = await host.createSession({ title: "asks" });
    const started = await callTools(host, model, session.id, [
      ["createBackgroundProcess", { command: shell, stdin: "terminal" }],
      ["createBackgroundProcess", { command: "node ask.cjs", stdin: "open" }],
      ["createBackgroundProcess", { command: "exec node ask.cjs", stdin: "terminal" }],
    ]);
    const ids = started.map((answer) => /proc_\w{10}/u.exec(answer)?.[0] ?? answer);
    for (const id of ids) {
      const told = await noticeTo(bed, session.id, new RegExp(id, "u"));
      const call = `writeBackgroundProcess\\(\\{"processId":"${id}"`;
      assert.match(told, new RegExp(`it waits for input; answer with ${call}`, "u"));
      assert.match(told, /^\| Ok to proceed\? \(y\)$/mu);
    }
    const listed = async () =>
      callTool(host, model, session.id, "listBackgroundProcesses", {}).then((list) =>
        list.split("\n").filter((line) => line.includes("waits for input: Ok to proceed? (y)")),
      );
    assert.equal((await listed()).length, ids.length);
    // What the command line reads is behind by the state's delay on disk.
    await shows(() => commandLine(bed, "ls"), /(?:^proc_\w+ .*blocked \(input\).*\n){3}/mu);
    await shows(
      () => commandLine(bed, "show", ids[0] ?? ""),
      /^waits for +input: Ok to proceed\? \(y\)$/mu,
    );
    const answers = await callTools(
      host,
      model,
      session.id,
      ids.map((processId) => {
        const answer = { processId, text: "y", keys: ["Enter"], waitPattern: "got y", waitSeconds };
        return ["writeBackgroundProcess", answer] as const;
      }),
    );
    for (const answer of answers) assert.match(answer, /^\| .*got y/mu);
    assert.deepEqual(await listed(), []);
    await shows(() => commandLine(bed, "ls"), /(?:^proc_\w+ .* running .*\n){3}/mu);
    for (const id of ids) assert.equal(timesTold(bed, session.id, id), 1);
    for (const processId of ids) {
      await callTool(host, model, session.id, "killProcesses", { processId });
    }
  });

  bed.test("tailwindcss --watch goes on with an open stdin and builds again", async (t) => {
    const { host } = bed;
    const folder = join(host.project, "tailwind");
    mkdirSync(folder);
    writeFileSync(join(folder, "package.json"), '{"private":true}');
    const packages = ["@tailwindcss/cli@4.3.5", "tailwindcss@4.3.5"];
    const flags = ["--no-audit", "--no-fund", "--prefer-offline"];
    try {
      await promisify(execFile)("npm", ["install", ...flags, ...packages], { cwd: folder });
    } catch (thrown) {
      console.error(thrown);
      t.skip("tailwindcss cannot be installed here: it needs npm's registry");
      return;
    }
    writeFileSync(join(folder, "in.css"), '@import "tailwindcss";');
    const page = join(folder, "page.html");
    writeFileSync(page, '<p class="mt-1">');
    const program = "node_modules/.bin/tailwindcss -i in.css -o out.css --watch";
    const how = { stdin: "open", readyPattern: "Done in", cwd: "tailwind" };
    const { write } = await desk(bed, program, how);
    const out = join(folder, "out.css");
    assert.match(readFileSync(out, "utf8"), /\.mt-1/u);
    const changes = watch(out, { signal: AbortSignal.timeout(60_000) });
    writeFileSync(page, '<p class="mt-1 mb-7">');
    for await (const _ of changes) if (readFileSync(out, "utf8").includes(".mb-7")) break;
    const ended = await write({ end: true, waitPattern: "never printed" });
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
