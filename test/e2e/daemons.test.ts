/** Daemons that hide where they came from, on a real host: none survives a kill or the host's own. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, type TestContext } from "node:test";
import { callTool } from "../../fixtures/host/index.js";
import { DAEMONS, numberIn } from "../../fixtures/programs/daemons.js";
import { eventually, isRunning } from "../process/support.js";
import { useHost, type Bed } from "./use-host.js";

/** Starts one daemon of each kind below a shell that goes on; its number, and the process's id. */
async function startAll(bed: Bed, folder: string, t: TestContext, more: object = {}) {
  const { host, model } = bed;
  const session = await host.createSession({ title: "daemons" });
  const started: { pid: number; call: (tool: string) => Promise<string> }[] = [];
  for (const [program, make] of Object.entries(DAEMONS)) {
    if (spawnSync("sh", ["-c", `command -v ${program}`]).status !== 0) {
      t.skip(`${program} is not installed`);
      continue;
    }
    const daemon = await make(mkdtempSync(join(folder, "d")));
    const command = `${daemon.command}; echo started; sleep 300`;
    const args = { command, readyPattern: "started", ...more };
    const answer = await callTool(host, model, session.id, "createBackgroundProcess", args);
    const processId = /proc_\w{10}/u.exec(answer)?.[0];
    assert.ok(processId, answer);
    const call = (tool: string) => callTool(host, model, session.id, tool, { processId });
    started.push({ pid: await numberIn(daemon), call });
  }
  return started;
}

/** In it the daemons keep their files. */
async function inFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "ocbm-daemons-"));
  try {
    await use(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const bed = useHost();

describe("redis and nginx as daemons", () => {
  for (const stdin of ["closed", "terminal"]) {
    bed.test(`are ended by a kill, with stdin ${stdin}`, (t) =>
      inFolder(async (folder) => {
        for (const { pid, call } of await startAll(bed, folder, t, { stdin })) {
          assert.match(await call("killProcesses"), /no process of it is left/u);
          assert.equal(isRunning(pid), false);
        }
      }),
    );
  }

  bed.test(
    "below a program that closes what it inherits: ended, or named as what may survive",
    (t) =>
      inFolder(async (folder) => {
        const make = DAEMONS["redis-server"];
        if (!make || spawnSync("sh", ["-c", "command -v redis-server"]).status !== 0) {
          t.skip("redis-server is not installed");
          return;
        }
        const { host, model } = bed;
        const session = await host.createSession({ title: "npm" });
        const daemon = await make(folder);
        const scripts = { dev: `${daemon.command}; echo started; sleep 300` };
        writeFileSync(join(host.project, "package.json"), JSON.stringify({ scripts }));
        const args = { command: "npm run dev", readyPattern: "^started" };
        const answer = await callTool(host, model, session.id, "createBackgroundProcess", args);
        const processId = /proc_\w{10}/u.exec(answer)?.[0];
        const pid = await numberIn(daemon);
        try {
          const killed = await callTool(host, model, session.id, "killProcesses", { processId });
          if (isRunning(pid))
            assert.match(killed, new RegExp(`may survive, .*: ${pid} redis`, "u"));
          else assert.match(killed, /no process of it is left/u);
        } finally {
          if (isRunning(pid)) process.kill(pid, "SIGKILL");
          await eventually(() => assert.ok(!isRunning(pid), "runs"));
        }
      }),
  );
});

describe("redis and nginx as daemons of a host that is killed", () => {
  bed.test("do not survive it", (t) =>
    inFolder(async (folder) => {
      const started = await startAll(bed, folder, t);
      await bed.host.stop("SIGKILL");
      await eventually(() => {
        for (const { pid } of started) assert.ok(!isRunning(pid), `${pid} runs`);
      });
      assert.deepEqual(await bed.host.survivors(15_000), []);
      await bed.host.start();
    }),
  );
});
