/** What the library says to a program that leaves something out: the field's name, before anything is started. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { createOpencodeClient } from "@opencode-ai/sdk";
import { openBackground, UserError } from "../src/manager.js";
import { useFolders } from "./fakes/folders.js";

const folder = useFolders();
const client = createOpencodeClient({ baseUrl: "http://127.0.0.1:9" });

/** As a program without types would call them. */
function openAnyhow(settings: object) {
  return Reflect.apply(openBackground, undefined, [settings]);
}

function callAnyhow(manager: object, method: string, ...input: unknown[]): Promise<unknown> {
  const found: unknown = Reflect.get(manager, method);
  assert.ok(typeof found === "function");
  return Promise.resolve(Reflect.apply(found, manager, input));
}

void describe("openBackground", () => {
  void it("names what is missing or wrong", () => {
    const directory = folder();
    const file = join(directory, "file");
    writeFileSync(file, "");
    const table: [object, RegExp][] = [
      [{ directory }, /^client: expected an OpenCode client/],
      [{ client }, /^directory: expected an absolute path, got nothing$/],
      [{ client, directory: "src" }, /^directory: expected an absolute path, got "src"$/],
      [{ client, directory: join(directory, "none") }, /^directory: expected an existing folder/],
      [{ client, directory: file }, /^directory: expected an existing folder/],
      [{ client, directory, stateFolder: 7 }, /^stateFolder: expected an absolute path, got 7$/],
      [
        { client, directory, options: { maxDepth: 0, most: 1 } },
        /^option "maxDepth": expected at least 1, got 0; option "most" is unknown$/,
      ],
    ];
    for (const [settings, message] of table) {
      assert.throws(() => openAnyhow(settings), { name: "UserError", message });
    }
  });

  void it("gives managers that name a missing folder, session or prompt, and start nothing", async () => {
    const directory = folder();
    const background = openBackground({ client, directory, stateFolder: folder() });
    const { processes, tasks } = background;
    try {
      const ids = { parentSessionID: "ses_1", rootSessionID: "ses_1" };
      const starts: [object, RegExp][] = [
        [{ command: "true", ...ids }, /^cwd: expected text, got nothing$/],
        [{ cwd: directory, ...ids }, /^command: expected text, got nothing$/],
        [{ command: "true", cwd: directory }, /^parentSessionID: expected an id, got nothing$/],
        [
          { command: "true", cwd: directory, parentSessionID: "ses_1", rootSessionID: "" },
          /^rootSessionID: expected an id, got ""$/,
        ],
      ];
      for (const [input, message] of starts) {
        const call = async () => callAnyhow(processes, "create", input);
        await assert.rejects(call, { name: "UserError", message });
      }
      const task = { description: "d", prompt: "p", agent: "general", parentSessionID: "ses_1" };
      for (const field of Object.keys(task)) {
        const launch = async () => callAnyhow(tasks, "launch", { ...task, [field]: 7 });
        await assert.rejects(launch, (thrown) => {
          assert.ok(thrown instanceof UserError);
          assert.match(thrown.message, new RegExp(`^${field}: expected .+, got a number$`));
          return true;
        });
        if (field === "agent") continue;
        const blank = async () => callAnyhow(tasks, "launch", { ...task, [field]: "" });
        await assert.rejects(blank, {
          name: "UserError",
          message: new RegExp(`^${field}: expected .+, got ""$`),
        });
      }
      assert.deepEqual(background.jobs.all(), []);
    } finally {
      await background.dispose();
    }
  });

  void it("end by the user where no reason is given, and for none that a record could not have", async () => {
    const directory = folder();
    const background = openBackground({ client, directory, stateFolder: folder() });
    const { processes, tasks } = background;
    try {
      const { job } = await processes.create({
        command: "exec sleep 1000",
        cwd: directory,
        parentSessionID: "ses_1",
        rootSessionID: "ses_1",
      });
      const message = /^reason: expected one of .+, got "bored"$/;
      for (const call of [
        async () => callAnyhow(processes, "kill", { id: job.id }, { reason: "bored" }),
        async () => callAnyhow(tasks, "cancel", ["bg_0000000000"], "bored"),
      ]) {
        await assert.rejects(call, { name: "UserError", message });
      }
      assert.equal(processes.get(job.id)?.status, "running");
      await processes.kill({ id: job.id });
      assert.equal(processes.get(job.id)?.endReason, "cancelled_by_user");
      await tasks.cancel(["bg_0000000000"]);
    } finally {
      await background.dispose();
    }
  });
});
