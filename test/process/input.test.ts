/** Processes that are written to: over a pipe, with real programs. */
import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import type { TypedInput } from "../../src/process/input/input.js";
import { withRoom } from "./room.js";

const OPEN = { stdin: "open" } as const;
/** A machine with much else to do takes its time; a test that fails ends no later. */
const waitSeconds = 60;

// Else it is compiled while a test counts descriptors, and what compiles it holds sockets.
before(() => import("../../src/system/pseudo-terminal.js"));

void describe("an open stdin", () => {
  void it("is read line by line, answered up to the line that matches, and closed by end", async () => {
    await withRoom(async ({ manager, create, ended }) => {
      const { job } = await create("while read -r line; do echo got $line; done; echo over", OPEN);
      const first = await manager.write(job.id, { text: "one\n", waitPattern: "got", waitSeconds });
      assert.deepEqual([first.output.text, first.matched], ["got one", true]);
      const second = await manager.write(job.id, {
        text: "two",
        keys: ["Enter"],
        waitPattern: "two",
        waitSeconds,
      });
      assert.equal(second.output.text, "got two");
      const last = await manager.write(job.id, { end: true, waitPattern: "never", waitSeconds });
      assert.deepEqual(
        [last.output.text, last.matched, last.job.status],
        ["over", false, "completed"],
      );
      assert.equal((await ended(job.id)).exitCode, 0);
    });
  });

  void it("an open line matches, too: the prompt of a program", async () => {
    await withRoom(async ({ manager, create, ended }) => {
      const { job } = await create(
        "read -r a; printf 'name? '; read -r name; echo hello $name",
        OPEN,
      );
      const prompt = await manager.write(job.id, {
        text: "\n",
        waitPattern: "name\\? $",
        waitSeconds,
      });
      assert.equal(prompt.matched, true);
      await manager.write(job.id, { text: "Ada\n", waitPattern: "hello Ada", waitSeconds });
      assert.equal((await ended(job.id)).status, "completed");
    });
  });

  void it("an answer that is refused writes nothing, and the next one has all of the open line", async () => {
    await withRoom(async ({ manager, create, ended }) => {
      const { job } = await create("read -r line; echo got $line", OPEN);
      const seen: TypedInput[] = [];
      const allow = async (typed: TypedInput) => {
        seen.push(typed);
        if (typed.lines.some(({ text }) => text.includes("bad"))) throw new Error("refused");
        return "kept";
      };
      await manager.write(job.id, { text: "good ", waitSeconds: 0, allow });
      await assert.rejects(manager.write(job.id, { text: "bad\n", allow }), /^Error: refused$/u);
      await manager.write(job.id, {
        text: "end\n",
        waitPattern: "got good end",
        waitSeconds,
        allow,
      });
      assert.deepEqual(
        seen.map(({ context, lines }) => [context, lines.map(({ text }) => text)]),
        [
          ["", ["good "]],
          ["kept", ["good bad"]],
          ["kept", ["good end"]],
        ],
      );
      await ended(job.id);
    });
  });

  void it("writes at once are asked one after the other: no line is made of two", async () => {
    await withRoom(async ({ manager, create, ended }) => {
      const { job } = await create("read -r line; echo got $line", OPEN);
      const lines: string[] = [];
      const allow = async (typed: TypedInput) => {
        await new Promise((resolve) => setImmediate(resolve));
        lines.push(...typed.lines.map(({ text }) => text));
        return "";
      };
      await Promise.all(
        ["a", "b", "c\n"].map((text) => manager.write(job.id, { text, waitSeconds: 0, allow })),
      );
      assert.deepEqual(lines, ["a", "ab", "abc"]);
      await ended(job.id);
    });
  });

  void it("what cannot be written is refused by name", async () => {
    await withRoom(async ({ manager, create, ended }) => {
      const closed = (await create("sleep 60")).job.id;
      const { id } = (await create("cat", OPEN)).job;
      const refused = (of: string, input: object, error: RegExp) =>
        assert.rejects(manager.write(of, input), error);
      await refused(closed, { text: "x" }, /stdin "closed": start it with stdin "open"/u);
      await refused(id, {}, /expected at least one of text, keys, end, got none/u);
      await refused(id, { keys: ["Hyper"] }, /^UserError: keys: expected names out of Enter, Tab/u);
      await refused(id, { keys: ["Up"] }, /got Up, which only a process with stdin "terminal"/u);
      await refused(id, { text: "x", waitPattern: "(" }, /^UserError: waitPattern: /u);
      await manager.write(id, { keys: ["C-d"], waitSeconds: 0 });
      await ended(id);
      await refused(id, { text: "x" }, /has ended: nothing was written/u);
      await assert.rejects(
        manager.screen(id),
        /mode: screen needs a process with stdin "terminal"/u,
      );
    });
  });

  void it("a kill ends one that reads its input, with its children", async () => {
    await withRoom(async ({ manager, create }) => {
      const { job } = await create("cat & cat; wait", OPEN);
      const { jobs } = await manager.kill({ id: job.id }, { reason: "cancelled_by_agent" });
      assert.equal(jobs[0]?.outcome, "killed");
    });
  });

  void it("a terminal that this runtime has not is refused, and both ways to one are named", async (t) => {
    if (Reflect.get(globalThis, "Bun") !== undefined) {
      t.skip("this runtime has terminals");
      return;
    }
    await withRoom(async ({ create, jobs }) => {
      await assert.rejects(
        create("cat", { stdin: "terminal" }),
        /its Bun has one.*node-pty.*"open"/u,
      );
      assert.deepEqual(jobs.all(), []);
    });
  });
});
