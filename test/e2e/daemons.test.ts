/** Daemons that hide where they came from, on a real host: none survives a kill or the host's own. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, type TestContext } from "node:test";
import { callTool, callTools, type Call } from "../../fixtures/host/index.js";
import { DAEMONS, missing, numberIn, type Daemon } from "../../fixtures/programs/daemons.js";
import { eventually, isRunning } from "../process/support.js";
import { useHost, type Bed } from "./use-host.js";

/** Starts one daemon of each kind below a shell that goes on; their numbers, and a call for each process. */
async function startAll(bed: Bed, folder: string, t: TestContext, more: object = {}) {
  const { host, model } = bed;
  const session = await host.createSession({ title: "daemons" });
  const daemons: Daemon[] = [];
  for (const [program, make] of Object.entries(DAEMONS)) {
    const why = missing(program);
    if (why === false) daemons.push(await make(mkdtempSync(join(folder, "d"))));
    else t.skip(why);
  }
  const calls = daemons.map((daemon): Call => {
    const command = `${daemon.command}; echo started; sleep 300`;
    return ["createBackgroundProcess", { command, readyPattern: "started", ...more }];
  });
  const answers = await callTools(host, model, session.id, calls);
  const ids = answers.map((answer) => /proc_\w{10}/u.exec(answer)?.[0] ?? assert.fail(answer));
  const pids = await Promise.all(daemons.map(numberIn));
  const callEach = (tool: string) =>
    callTools(
      host,
      model,
      session.id,
      ids.map((processId): Call => [tool, { processId }]),
    );
  return { pids, callEach };
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

describe("redis, nginx, gunicorn and what su starts as daemons", () => {
  for (const stdin of ["closed", "terminal"]) {
    bed.test(`are ended by a kill, with stdin ${stdin}`, (t) =>
      inFolder(async (folder) => {
        const { pids, callEach } = await startAll(bed, folder, t, { stdin });
        for (const killed of await callEach("killProcesses")) {
          assert.match(killed, /no process of it is left/u);
        }
        assert.deepEqual(pids.filter(isRunning), []);
      }),
    );
  }

  bed.test(
    "below a program that closes what it inherits: ended, or named as what may survive",
    (t) =>
      inFolder(async (folder) => {
        const make = DAEMONS["redis-server"];
        const why = missing("redis-server");
        if (!make || why !== false) {
          t.skip(why || "no redis-server");
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

describe("the same daemons of a host that is killed", () => {
  bed.test("do not survive it", (t) =>
    inFolder(async (folder) => {
      const { pids } = await startAll(bed, folder, t);
      await bed.host.stop("SIGKILL");
      await eventually(() => assert.deepEqual(pids.filter(isRunning), []));
      assert.deepEqual(await bed.host.survivors(15_000), []);
      await bed.host.start();
    }),
  );
});
