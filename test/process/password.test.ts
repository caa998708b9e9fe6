/** A line that is not shown as it is typed is the user's: when it counts as one, who is told, and what may be typed. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { aProcess } from "../../fixtures/jobs.js";
import { JobRegistry } from "../../src/jobs/registry.js";
import { silentLog } from "../../src/ports.js";
import { InputWatch } from "../../src/process/input/input-watch.js";
import { seal } from "../../src/process/input/sealed.js";
import type { Echo } from "../../src/system/pseudo-terminal.js";
import { FakeClock, settle } from "../fakes/clock.js";

function watched(echo: Echo | undefined) {
  const clock = new FakeClock();
  const jobs = new JobRegistry(silentLog);
  const job = aProcess({ status: "running", stdin: "terminal" });
  jobs.add(job);
  const told: string[] = [];
  const state: { echo: Echo | undefined; isRead: boolean | undefined } = { echo, isRead: true };
  const watch = new InputWatch(job.id, {
    clock,
    log: silentLog,
    jobs,
    isRead: async () => state.isRead,
    echo: () => state.echo,
    announce: (kind, line) => told.push(`${kind}: ${line}`),
  });
  const blockedOn = () => jobs.getProcess(job.id)?.blockedOn;
  /** Prints this, and waits until it is known whether it asks. */
  const print = async (text: string) => {
    watch.output(Buffer.from(text));
    await clock.advance(2_000);
    // The module of the seal is loaded with the first question; a look writes the open line, whatever it finds.
    while (jobs.getProcess(job.id)?.openLine === undefined) await settle();
  };
  const sealed = (line: string) => seal(line, blockedOn()?.sealFor ?? "", job.id);
  return { watch, state, told, print, blockedOn, sealed };
}

void describe("a terminal that does not show what is typed", () => {
  void it("asks for a password: the session is told once, the user each time", async () => {
    const { watch, told, print, blockedOn } = watched("off");
    await print("login\r\nPassword: ");
    assert.deepEqual([blockedOn()?.kind, blockedOn()?.what], ["password", "Password:"]);
    watch.typed();
    assert.equal(blockedOn(), undefined);
    await print("\r\nSorry.\r\nPassword: ");
    assert.deepEqual(told, ["blocked: Password:", "again: Password:"]);
    watch.stop();
  });

  void it("is told also after the agent has typed what leads to it", async () => {
    const { watch, told, print } = watched("off");
    watch.typed();
    await print("[sudo] password for ada: ");
    assert.deepEqual(told, ["blocked: [sudo] password for ada:"]);
    watch.stop();
  });

  void it("takes what the user types for this question, and nothing for an earlier one", async () => {
    const { watch, state, print, sealed } = watched("off");
    await print("Password: ");
    const first = sealed("first");
    assert.equal(watch.open(first), "first");
    watch.typed();
    const message = /asks nothing any more; nothing was typed/u;
    assert.throws(() => watch.open(first), { name: "UserError", message });
    await print("\r\nAgain: ");
    const earlier = /is for an earlier question; nothing was typed/u;
    assert.throws(() => watch.open(first), { name: "UserError", message: earlier });
    // It turned its echo on, and printed nothing.
    const second = sealed("second");
    state.echo = "on";
    const shows = /would show the password now; nothing was typed/u;
    assert.throws(() => watch.open(second), { name: "UserError", message: shows });
    watch.stop();
  });
});

void describe("whether a line asks for a password", () => {
  for (const [echo, line, kind] of [
    ["off", "anything", "password"],
    ["on", "Password: ", "input"],
    [undefined, "Password: ", "input"],
    ["keys", "npm password: ", "password"],
    ["keys", "? Enter the passphrase [input is hidden]", "password"],
    ["keys", "One-time PIN (6 digits)? ", "password"],
    ["keys", ">>> ", "input"],
    ["keys", "ada@host:~/token-service$ ", "input"],
    ["keys", "~/password # ", "input"],
    ["keys", "Delete the secrets? (y) ", "input"],
  ] as const) {
    void it(`${line} with echo ${echo ?? "unknown"}: ${kind}`, async () => {
      const { watch, print, blockedOn } = watched(echo);
      await print(line);
      assert.equal(blockedOn()?.kind, kind);
      watch.stop();
    });
  }

  void it("also where who reads it cannot be told, as with sudo; but not with an echo", async () => {
    for (const [echo, kind] of [
      ["off", "password"],
      ["on", undefined],
      ["keys", undefined],
    ] as const) {
      const { watch, state, print, blockedOn } = watched(echo);
      state.isRead = undefined;
      await print("[sudo] password for ada: ");
      assert.equal(blockedOn()?.kind, kind, echo);
      watch.stop();
    }
  });

  void it("not at all when nothing reads it", async () => {
    const { watch, state, told, print, blockedOn } = watched("off");
    state.isRead = false;
    await print("working ... ");
    assert.deepEqual([blockedOn(), told], [undefined, []]);
    watch.stop();
  });
});
