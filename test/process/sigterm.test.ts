/** SIGTERM reaches a program once, also below wrappers that hand it on: counted by the program itself. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { withRoom, type Room } from "./room.js";
import { AGENT, alive, eventually, isRunning, NODE, programFile, skip } from "./support.js";

const BIN = join(import.meta.dirname, "../../node_modules/.bin");
const PROGRAM = programFile("count-term.mjs");
/** Half of it is much longer than the program takes to end: only then what a wrapper has told is told no second time. */
const OPTIONS = { killGraceMilliseconds: 20_000 };
const ENDING = 500;

/** Commands below which the counting program runs; it writes into this file. */
const WRAPPERS: Record<string, (counter: string, folder: string) => string> = {
  "the shell itself": (counter) => `exec "${NODE}" ${counter}`,
  "a shell that waits": (counter) => `"${NODE}" ${counter}; true`,
  "a shell in a shell": (counter) => `bash -c '"${NODE}" ${counter}; true'; true`,
  "a pipeline": (counter) => `"${NODE}" ${counter} | cat`,
  "npm run": (counter, folder) => withScript(folder, `node ${counter}`),
  "npm run, two commands": (counter, folder) => withScript(folder, `node ${counter} && true`),
  nodemon: (counter) => `"${join(BIN, "nodemon")}" -q ${counter}`,
  "tsx watch": (counter) => `"${join(BIN, "tsx")}" watch ${counter}`,
  "node --watch": (counter) => `node --watch ${counter}`,
  // Without the option it sends the signal to its child and then to its group: one more by itself.
  timeout: (counter) => `timeout --foreground 100 "${NODE}" ${counter}`,
};

function withScript(folder: string, dev: string): string {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "package.json"), JSON.stringify({ scripts: { dev } }));
  return `cd "${folder}" && npm run --silent dev`;
}

function counterIn(room: Room): { file: string; counter: string } {
  const file = join(room.folder, "counted");
  writeFileSync(file, "");
  return { file, counter: `${PROGRAM} ${file} ${ENDING}` };
}

const ONCE = "up\nSIGTERM\n";

for (const [name, commandOf] of Object.entries(WRAPPERS)) {
  test(`below ${name} a kill is one SIGTERM, and no force`, { skip, timeout: 60_000 }, () =>
    withRoom(
      async (room) => {
        const { file, counter } = counterIn(room);
        const { job, readiness } = await room.create(commandOf(counter, join(room.folder, "npm")), {
          readyPattern: "counting",
          readyTimeoutSeconds: 40,
        });
        assert.equal(readiness, "ready");
        await room.manager.kill({ id: job.id }, AGENT);
        assert.equal(readFileSync(file, "utf8"), ONCE);
        assert.equal(room.manager.get(job.id)?.forced, undefined);
      },
      { options: OPTIONS },
    ),
  );
}

test(
  "a process that has not got it yet gets it after half the grace, and has the rest of it",
  { skip },
  () =>
    withRoom(
      async (room) => {
        const { file } = counterIn(room);
        const child = `spawn(process.execPath, ["${PROGRAM}", "${file}", "100"], { stdio: "inherit" })`;
        const parent = `process.on("SIGTERM", () => {}); require("child_process").${child}.on("exit", () => process.exit(0))`;
        writeFileSync(join(room.folder, "parent.cjs"), parent);
        const { job } = await room.create(`exec "${NODE}" parent.cjs`, {
          readyPattern: "counting",
        });
        await room.manager.kill({ id: job.id }, AGENT);
        assert.equal(readFileSync(file, "utf8"), ONCE);
        assert.equal(room.manager.get(job.id)?.forced, undefined);
      },
      { options: { killGraceMilliseconds: 4000 } },
    ),
);

const runtimes = {
  node: [process.execPath, "--import", "tsx"],
  bun: [join(BIN, "bun")],
} as const;

for (const [runtime, [host = "", ...args]] of Object.entries(runtimes)) {
  for (const ending of ["SIGKILL", "SIGTERM", "SIGHUP"] as const) {
    test(
      `${runtime} ends by ${ending}: a program below a wrapper gets one SIGTERM, from the host or from the watchdog`,
      { skip, timeout: 60_000 },
      () =>
        withRoom(async (room) => {
          const { file } = counterIn(room);
          // It ends long before half of the time that the watchdog gives.
          const counter = `"${NODE}" ${PROGRAM} ${file} 0`;
          const command = `timeout --foreground 100 ${counter}; true`;
          const mode = ending === "SIGKILL" ? "" : "signals";
          const child = spawn(host, [...args, programFile("host.ts"), room.folder, "1", mode], {
            stdio: ["ignore", "pipe", "inherit"],
            env: { ...process.env, OCBM_TEST_ROOM: room.marker, HOST_COMMAND: command },
          });
          const exit = once(child, "exit");
          try {
            await eventually(() => assert.equal(readFileSync(file, "utf8"), "up\n"));
            child.kill(ending);
            await exit;
            await eventually(() => assert.deepEqual(alive(room.marker), []));
            assert.equal(readFileSync(file, "utf8"), ONCE);
          } finally {
            if (isRunning(child.pid ?? 0)) child.kill("SIGKILL");
          }
        }),
    );
  }
}
