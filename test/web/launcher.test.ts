/** The OpenCode's end of the page: only what its own server has signed is done. The server is a program of the test. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { deferred } from "../../fixtures/deferred.js";
import type { UserAct } from "../../src/control/user-acts.js";
import { silentLog, systemClock } from "../../src/ports.js";
import { gatheringPath, openGathering } from "../../src/web/gathering.js";
import { PageLauncher } from "../../src/web/launcher.js";
import { sign } from "../../src/web/link.js";

/** Says that it serves, asks for one act, and tells the answer as why the browser could not be called. */
function server(proof: string, jobID: string): string {
  return `
    const { createHmac } = require("node:crypto");
    const say = (what) => process.stdout.write(JSON.stringify(what) + "\\n");
    const act = JSON.stringify({ method: "restart", jobID: "${jobID}", command: "ls" });
    let secret;
    const sign = (id) => createHmac("sha256", secret).update(id + "\\n" + act).digest("base64url");
    require("node:readline").createInterface(process.stdin).on("line", (line) => {
      const said = JSON.parse(line);
      if (said.type === "start") {
        secret = said.secret;
        say({ type: "serving", port: said.port, link: "http://x/#token=t" });
        say({ type: "act", id: 7, act, proof: ${proof} });
      } else say({ type: "opened", code: "", error: JSON.stringify(said) });
    }).on("close", () => process.exit());
  `;
}

function folder(t: TestContext): string {
  const root = mkdtempSync(join(tmpdir(), "obm-launch-"));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  return root;
}

/** Nothing of the launcher keeps a process awake. */
function stayAwake(t: TestContext): void {
  const awake = setInterval(() => undefined, 1_000);
  t.after(() => clearInterval(awake));
}

async function play(t: TestContext, proof: string, jobID = "proc_1") {
  const root = folder(t);
  const performed: UserAct[] = [];
  const answered = deferred<string>();
  const launcher = new PageLauncher({
    clock: systemClock,
    root,
    port: 4_777,
    program: { file: process.execPath, args: ["-e", server(proof, jobID)], env: process.env },
    pageFolder: root,
  });
  const leave = launcher.join(
    {
      log: silentLog,
      acts: {
        has: (id) => id === "proc_1",
        perform: (act) => {
          performed.push(act);
          return Promise.resolve({ text: "done" });
        },
      },
      toast: (message) => {
        const said = /\((.+)\) for /u.exec(message)?.[1];
        if (said !== undefined) answered.resolve(said);
      },
    },
    { open: false },
  );
  t.after(leave);
  stayAwake(t);
  const answer: unknown = JSON.parse(await answered.promise);
  return { answer, performed };
}

void describe("an act that the page's server passes on", () => {
  void it("is done when it is signed with the secret", async (t) => {
    const { answer, performed } = await play(t, "sign(7)");
    assert.deepEqual(answer, { type: "done", id: 7, result: { text: "done" } });
    assert.deepEqual(performed, [{ method: "restart", jobID: "proc_1", command: "ls" }]);
  });

  void it("is refused for a job of another OpenCode", async (t) => {
    const { answer, performed } = await play(t, "sign(7)", "proc_9");
    const error = "proc_9 is no job of this OpenCode";
    assert.deepEqual(answer, { type: "refused", id: 7, error });
    assert.deepEqual(performed, []);
  });

  for (const [what, proof] of [
    ["nothing", '""'],
    ["another secret", JSON.stringify(sign("guess", 7, "x"))],
    ["the proof of another request", "sign(6)"],
  ] as const) {
    void it(`is refused when it is signed with ${what}`, async (t) => {
      const { answer, performed } = await play(t, proof);
      assert.deepEqual(answer, { type: "refused", id: 7, error: "the request is not signed" });
      assert.deepEqual(performed, []);
    });
  }
});

void describe("what stands for the page of another OpenCode", () => {
  void it("is not waited for when it does not leave", async (t) => {
    const root = folder(t);
    const port = 4_777;
    const path = gatheringPath(root, port);
    const asked = deferred<undefined>();
    const other = await openGathering(path, {
      port,
      onEmpty: () => undefined,
      onLeave: () => asked.resolve(undefined),
    });
    t.after(() => other.close());
    stayAwake(t);
    const served = deferred<string>();
    const launcher = new PageLauncher({
      clock: { ...systemClock, after: (_, callback) => systemClock.after(10, callback) },
      root,
      port,
      program: { file: process.execPath, args: ["-e", server('""', "proc_1")], env: process.env },
      pageFolder: root,
    });
    const acts = { has: () => false, perform: () => Promise.reject(new Error("nothing is asked")) };
    const toast = (message: string) => {
      if (message.includes("http://x/#token=t")) served.resolve(message);
    };
    t.after(launcher.join({ log: silentLog, acts, toast }));
    launcher.openPage();
    await asked.promise;
    assert.match(await served.promise, /^The page of background jobs: /u);
  });
});
