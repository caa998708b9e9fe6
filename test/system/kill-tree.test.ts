/** Who is signalled, and who never is; with a machine made of objects, and against false identities with a real one. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { identifyProcess } from "../../src/system/identity.js";
import {
  assertKillable,
  chooseKillTree,
  systemForKill,
  terminateNow,
  type KillSystem,
  type KillTarget,
} from "../../src/system/kill-tree.js";
import type { ProcessEntry, ProcessTable } from "../../src/system/process-table.js";
import { systemClock } from "../../src/ports.js";
import { FakeClock } from "../fakes/clock.js";
import { jobsIn, parsePsRow } from "../../src/system/process-table.js";
import { Scanner } from "../../src/system/scan.js";

interface Fake extends Partial<ProcessEntry> {
  pid: number;
  marked?: "yes" | "no" | "unknown";
  /** Its environment was overwritten. */
  hides?: boolean;
  /** Its user is another one. */
  isForeign?: boolean;
  /** Dies only of SIGKILL, or of nothing. */
  stubborn?: "term" | "all";
}

/** Milliseconds of grace where all end by SIGTERM, so that it is never waited for. */
const ENOUGH = 60_000;

/** A machine: its processes, and what was sent to whom. */
function machine(processes: Fake[], settings: Partial<KillSystem> = {}) {
  const sent: [number, string][] = [];
  const ran: string[][] = [];
  const living = new Map(processes.map((fake) => [fake.pid, fake]));
  const entryOf = (fake: Fake): ProcessEntry => ({
    name: "bash",
    parent: 1,
    group: fake.pid,
    startTime: "1",
    dead: false,
    ...fake,
  });
  const usual: ProcessTable = {
    pids: () => [...living.keys()],
    counter: () => undefined,
    entry: (pid) => {
      const fake = living.get(pid);
      return fake && entryOf(fake);
    },
    list: async () => [...living.values()].map(entryOf),
    command: ({ pid }) => `program ${pid}`,
    hidesOrigin: (pid) => living.get(pid)?.hides === true,
    jobsOf: (pid) => {
      const { marked = "no" } = living.get(pid) ?? {};
      return marked === "unknown" ? undefined : marked === "yes" ? ["proc_x"] : [];
    },
  };
  const table = settings.table ?? usual;
  const system: KillSystem = {
    platform: "linux",
    clock: systemClock,
    env: {},
    self: { pid: 500, parent: 499 },
    identify: (pid) => (living.has(pid) ? { pid, startTime: "1", bootID: "b" } : undefined),
    hasEnded: ({ pid }) => !living.has(pid),
    isOwnUser: (pid) => living.has(pid) && !living.get(pid)?.isForeign,
    run: async (file, args) => void ran.push([file, ...args]),
    kill(pid, signal) {
      const meant = [...living.values()].filter((fake) =>
        pid < 0 ? entryOf(fake).group === -pid : fake.pid === pid,
      );
      if (signal === 0) {
        if (meant.length > 0) return;
        throw Object.assign(new Error("kill ESRCH"), { code: "ESRCH" });
      }
      sent.push([pid, signal]);
      for (const fake of meant) {
        const dies = !fake.stubborn || (fake.stubborn === "term" && signal === "SIGKILL");
        if (dies) living.delete(fake.pid);
      }
    },
    scanner: new Scanner(table),
    ...settings,
    table,
  };
  return { system, sent, ran, living, kill: chooseKillTree(system) };
}

const identity = { pid: 100, startTime: "1", bootID: "b" };
const target: KillTarget = { pid: 100, identity, held: true, jobID: "proc_x" };
const HOST: Fake = { pid: 500, group: 498, parent: 499 };

test("SIGTERM is enough for the polite: none gets SIGKILL", async () => {
  const { kill, sent } = machine([HOST, { pid: 100 }, { pid: 101, group: 100, parent: 100 }]);
  assert.deepEqual(await kill(target, 1000), { forced: false, survivors: [], foreign: false });
  assert.deepEqual(sent, [
    [101, "SIGTERM"],
    [100, "SIGTERM"],
  ]);
});

test("members outside the group are found by marker and by parent, and no other is touched", async () => {
  const { kill, living, sent } = machine([
    HOST,
    { pid: 100 },
    { pid: 200, marked: "yes", stubborn: "term" },
    { pid: 300, parent: 100, stubborn: "term" },
    { pid: 301, parent: 300 },
    { pid: 400 },
    { pid: 401, parent: 500, marked: "unknown" },
  ]);
  const { survivors, forced } = await kill(target, 20);
  assert.deepEqual(survivors, []);
  assert.equal(forced, true);
  assert.deepEqual([...living.keys()], [500, 400, 401]);
  for (const [pid] of sent) assert.ok([-100, 100, 200, 300, 301].includes(pid), `${pid}`);
});

test("who survives SIGKILL is named, and the kill still ends", async () => {
  // Each look at the clock takes a millisecond.
  let time = 0;
  const clock = { ...systemClock, monotonic: () => ++time };
  const { kill } = machine([HOST, { pid: 100 }, { pid: 101, group: 100, stubborn: "all" }], {
    clock,
  });
  const { survivors } = await kill(target, 10);
  assert.deepEqual(survivors, [{ pid: 101, command: "program 101" }]);
  assert.ok(time <= 10 + 2000 + 20, `${time} ms`);
});

test("a group that cannot be looked at: both signals, and what is left in it is named", async () => {
  const refuse = () => {
    throw new Error("spawnSync /bin/ps ENOENT");
  };
  const table = {
    pids: refuse,
    counter: refuse,
    entry: refuse,
    list: refuse,
    command: refuse,
    jobsOf: refuse,
    hidesOrigin: refuse,
  };
  const unverified = "spawnSync /bin/ps ENOENT";
  for (const [stubborn, forced] of [
    [undefined, false],
    ["term", true],
    ["all", true],
  ] as const) {
    const fakes: Fake[] = [HOST, { pid: 100 }, { pid: 101, group: 100, stubborn }];
    const { kill, sent } = machine(fakes, { table });
    const outcome = await kill(target, stubborn ? 20 : ENOUGH);
    const member = { pid: 100, command: "a process of group 100" };
    const survivors = stubborn === "all" ? [member] : [];
    assert.deepEqual(outcome, { forced, survivors, foreign: false, unverified });
    assert.deepEqual(
      sent,
      (forced ? ["SIGTERM", "SIGKILL"] : ["SIGTERM"]).map((signal) => [-100, signal]),
    );
  }
});

test("a number that was given to another process is left alone; what carries the marker is not", async () => {
  const other = { ...identity, startTime: "0" };
  const { kill, living, sent } = machine([
    HOST,
    { pid: 100 },
    { pid: 101, group: 100 },
    { pid: 200, marked: "yes" },
  ]);
  const outcome = await kill({ ...target, identity: other, held: false }, ENOUGH);
  assert.equal(outcome.foreign, true);
  assert.deepEqual([...living.keys()], [500, 100, 101]);
  assert.deepEqual(sent, [[200, "SIGTERM"]]);
});

test("a recorded number whose process has ended is left alone unless we held it", async () => {
  const processes: Fake[] = [HOST, { pid: 101, group: 100 }];
  const recorded = machine(processes);
  await recorded.kill({ ...target, held: false }, ENOUGH);
  assert.deepEqual(recorded.sent, []);
  const held = machine(processes);
  await held.kill(target, ENOUGH);
  assert.deepEqual(held.sent, [[101, "SIGTERM"]]);
});

test("a recorded process of another user is left alone unless it carries the job's id", async () => {
  for (const [marked, expected] of [
    ["no", []],
    ["unknown", []],
    ["yes", [[100, "SIGTERM"]]],
  ] as const) {
    const { kill, sent, living } = machine([HOST, { pid: 100, marked, isForeign: true }]);
    const outcome = await kill({ ...target, held: false }, ENOUGH);
    assert.deepEqual(sent, expected);
    assert.equal(outcome.foreign, marked !== "yes");
    assert.equal(living.has(100), marked !== "yes");
  }
  const own = machine([HOST, { pid: 100 }]);
  await own.kill({ ...target, held: false }, ENOUGH);
  assert.deepEqual(own.sent, [[100, "SIGTERM"]]);
});

test("a process of the job that is older than its shell is not one: its environment is not read", async () => {
  const fakes: Fake[] = [
    HOST,
    { pid: 100, startTime: "50" },
    { pid: 40, startTime: "49", marked: "yes" },
    { pid: 200, startTime: "50", marked: "yes" },
  ];
  const { kill, sent } = machine(fakes, {
    identify: (pid) => ({ pid, startTime: pid === 100 ? "50" : "1", bootID: "b" }),
  });
  await kill({ ...target, identity: { ...identity, startTime: "50" } }, ENOUGH);
  assert.deepEqual(
    sent.map(([pid]) => pid),
    [200, 100],
  );
});

test("a date that is set back while a kill waits does not make the grace longer", async () => {
  const clock = new FakeClock();
  const { kill, sent } = machine([HOST, { pid: 100, stubborn: "term" }], { clock });
  const killing = kill(target, 1000);
  const state = { isOver: false };
  void killing.then(() => (state.isOver = true));
  for (let round = 0; round < 300 && !state.isOver; round++) {
    clock.set(clock.now() - 20_000);
    await clock.advance(5);
  }
  assert.deepEqual(await killing, { forced: true, survivors: [], foreign: false });
  assert.deepEqual(sent, [
    [100, "SIGTERM"],
    [-100, "SIGKILL"],
  ]);
});

test("pid 0 and 1, this process, its parent and its group are refused", async () => {
  const { kill, sent, system } = machine([HOST, { pid: 1 }, { pid: 499 }, { pid: 498 }]);
  for (const pid of [1, 500, 499, 498]) {
    const own = { ...target, pid, identity: { ...identity, pid } };
    await assert.rejects(kill(own, 10), /refusing to signal process group/);
    assert.throws(() => terminateNow(system, own), /refusing/);
  }
  for (const pid of [0, -5, 1.5, Number.NaN]) {
    assert.throws(() => assertKillable({ pid, held: true }, system), /refusing/);
  }
  assert.deepEqual(sent, []);
});

test("this process is never a member, whatever its environment says", async () => {
  const { kill, sent } = machine([
    { ...HOST, marked: "yes" },
    { pid: 1, marked: "yes" },
  ]);
  await kill({ ...target, pid: 0, identity: undefined, held: false }, ENOUGH);
  assert.deepEqual(sent, []);
});

test("on Windows the whole tree is ended by taskkill under its full path, and no signal is sent", async () => {
  const settings: Partial<KillSystem> = { platform: "win32", env: { SystemRoot: "D:\\Win" } };
  const { kill, ran, sent, system } = machine([HOST, { pid: 100 }], settings);
  const { survivors } = await kill(target, 1000);
  assert.equal(ran.length, 1);
  const [file = "", ...args] = ran[0] ?? [];
  assert.match(file, /^D:\\Win.System32.taskkill\.exe$/);
  assert.deepEqual(args, ["/PID", "100", "/T", "/F"]);
  assert.deepEqual(sent, []);
  // No process died on this machine, so it is said.
  assert.deepEqual(
    survivors.map(({ pid }) => pid),
    [100],
  );
  terminateNow(system, target);
  assert.equal(ran.length, 2);
});

test(
  "a real process with a false identity is not signalled",
  { skip: process.platform === "win32" },
  async () => {
    const child = spawn("sleep", ["60"], { detached: true, stdio: "ignore" });
    try {
      const pid = child.pid ?? 0;
      const real = identifyProcess(pid);
      assert.ok(real);
      const kill = chooseKillTree(systemForKill(systemClock));
      for (const wrong of [
        { ...real, startTime: "12345" },
        { ...real, bootID: "another boot" },
      ]) {
        const outcome = await kill({ pid, identity: wrong, held: false, jobID: "proc_none" }, 100);
        assert.equal(outcome.foreign, true);
        assert.deepEqual(identifyProcess(pid), real);
      }
      const outcome = await kill({ pid, identity: real, held: false, jobID: "proc_none" }, 1000);
      assert.equal(outcome.foreign, false);
      assert.equal(identifyProcess(pid), undefined);
    } finally {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill("SIGKILL");
        await once(child, "exit");
      }
    }
  },
);

test("the marker counts only as a whole value of its own variable", () => {
  const id = "proc_aaaaaaaaaa";
  assert.deepEqual(jobsIn(`A=1\0OPENCODE_BACKGROUND_JOB=${id}\0`), [id]);
  assert.deepEqual(jobsIn(`OPENCODE_BACKGROUND_JOB=proc_outer:${id}\0`), ["proc_outer", id]);
  assert.deepEqual(jobsIn(`OPENCODE_BACKGROUND_JOB=${id}b\0`), [`${id}b`]);
  assert.deepEqual(jobsIn(`OTHER=${id}\0OPENCODE_BACKGROUND_JOB=x\0`), ["x"]);
  assert.deepEqual(jobsIn(`X_OPENCODE_BACKGROUND_JOB=${id}\0`), []);
});

test("lines of ps are understood", () => {
  assert.deepEqual(parsePsRow("  123     1   99 Ss   /bin/sh -c a  b"), {
    pid: 123,
    parent: 1,
    group: 99,
    startTime: "",
    dead: false,
    command: "/bin/sh -c a  b",
    name: "sh",
  });
  assert.equal(parsePsRow(" 5 4 3 Z (sh)")?.dead, true);
  assert.equal(parsePsRow("no row"), undefined);
});
