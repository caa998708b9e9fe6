/** What a process is given in `env` reaches it and nothing else: no answer, no notice, no file of the state. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { isTerminal } from "../../src/jobs/status.js";
import { goAlong } from "../fakes/clock.js";
import { desk, type Desk } from "../fakes/workspace.js";

void describe("the values of env", () => {
  void it("stand in no answer, no notice and no file of the state, also after a restart", async (t) => {
    const secret = randomBytes(16).toString("hex");
    const said: string[] = [];
    const first = desk(t);
    goAlong(t, first.clock);
    const call = async ({ call }: Desk, tool: string, args: object): Promise<string> => {
      const answer = await call(tool, args);
      said.push(answer);
      return answer;
    };
    const env = { OBM_SECRET: secret };
    // Its length only, so that it is seen to have come.
    const runs = await call(first, "createBackgroundProcess", {
      command: 'echo "length ${#OBM_SECRET}"; exec sleep 300',
      readyPattern: "^length",
      env,
    });
    const [id = ""] = /proc_\w+/u.exec(runs) ?? [];
    assert.match(runs, /ready/u);
    const over = new Promise<void>((resolve) => {
      first.workspace.jobs.onChange(({ job }) => {
        if (job.id !== id && isTerminal(job.status)) resolve();
      });
    });
    // It ends after its call was answered, so that a notice tells of it.
    const command = "until [ -e go ]; do sleep 0.05; done; exit 3";
    await call(first, "createBackgroundProcess", { command, env });
    writeFileSync(join(first.workspace.directory, "go"), "");
    await over;
    // It is attached to the user's next message.
    const messageID = first.host.newMessageID();
    const message = { sessionID: first.root, messageID, typed: true };
    const notice = (await first.workspace.userMessage(message)) ?? "";
    assert.match(notice, /exit code: 3/u);
    said.push(notice);

    const look = async (where: Desk): Promise<void> => {
      await call(where, "listBackgroundProcesses", {});
      assert.match(
        await call(where, "getBackgroundProcess", { processId: id }),
        /^\| length 32$/mu,
      );
      await call(where, "killProcesses", { processId: id });
      await where.workspace.persist();
      said.push(...filesBelow(join(where.workspace.directory, "state")));
    };
    await look(first);
    const second = await first.restart();
    await look(second);
    const wrong = { command: "true", env: { OBM_SECRET: `${secret}\0` } };
    await assert.rejects(call(second, "createBackgroundProcess", wrong), (error: Error) => {
      said.push(error.message);
      return true;
    });
    await (await second.restart()).workspace.dispose();
    said.push(...filesBelow(join(second.workspace.directory, "state")));

    assert.match(said.join("\n"), /"command":"until .*exit 3"/u, "the state was read");
    for (const text of said) assert.ok(!text.includes(secret), text.slice(0, 2_000));
  });
});

/** What each file holds, byte by byte, and what it is called. */
function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .map((file) => `${file}\n${readFileSync(file, "latin1")}`);
}
