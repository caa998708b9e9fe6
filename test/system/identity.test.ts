/** Which process a number means, on each platform; the real one here. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import {
  hasEnded,
  identifyProcess,
  isAlive,
  parseProcStat,
  type IdentitySource,
} from "../../src/system/identity.js";
import { eventually, proc } from "../process/support.js";

const STAT = "4321 (a) b (c) S 1 77 77 0 -1 1 2 3 4 5 6 7 8 9 20 0 1 0 98765 111 222";

function source(platform: NodeJS.Platform, answers: Record<string, string>): IdentitySource {
  const answer = (key: string) => {
    const found = answers[key];
    if (found === undefined) throw Object.assign(new Error(`ENOENT ${key}`), { code: "ENOENT" });
    return found;
  };
  return {
    platform,
    readFile: answer,
    run: (file, args) => answer([file, ...args].join(" ")),
    env: { SystemRoot: "C:\\Windows" },
  };
}

test("this process is itself, and none is another boot's or another start's", () => {
  const own = identifyProcess(process.pid);
  assert.ok(own);
  assert.equal(own.pid, process.pid);
  assert.deepEqual(identifyProcess(process.pid), own);
  assert.equal(isAlive(own), true);
  assert.equal(isAlive({ ...own, startTime: "1" }), false);
  assert.equal(isAlive({ ...own, bootID: "other" }), false);
  for (const pid of [0, -1, 1.5, Number.NaN, 2 ** 30]) {
    assert.equal(identifyProcess(pid), undefined);
  }
});

test(
  "a process that has ended is dead, also while its exit code was not asked for",
  {
    skip: process.platform !== "linux",
  },
  async () => {
    const child = spawn("sh", ["-c", "(sleep 0.05 & echo $!; exec sleep 60)"], { detached: true });
    const [data] = await once(child.stdout, "data");
    const zombie = Number(String(data));
    try {
      await eventually(() => assert.match(proc(zombie, "stat"), /\) Z /));
      assert.equal(identifyProcess(zombie), undefined);
    } finally {
      process.kill(-(child.pid ?? 0), "SIGKILL");
      await once(child, "close");
    }
  },
);

test("Linux: fields are counted from the last bracket; a zombie is no process", () => {
  assert.deepEqual(parseProcStat(STAT), {
    name: "a) b (c",
    state: "S",
    parent: 1,
    group: 77,
    startTime: "98765",
    isThread: false,
  });
  const files = { "/proc/4321/stat": STAT, "/proc/sys/kernel/random/boot_id": "boot\n" };
  const linux = source("linux", files);
  const found = { pid: 4321, startTime: "98765", bootID: "boot" };
  assert.deepEqual(identifyProcess(4321, linux), found);
  assert.equal(identifyProcess(4322, linux), undefined);
  const zombie = source("linux", { ...files, "/proc/4321/stat": STAT.replace(" S ", " Z ") });
  assert.equal(identifyProcess(4321, zombie), undefined);
  assert.equal(isAlive(found, zombie), false);
  assert.equal(parseProcStat(""), undefined);
});

test("macOS: ps says when it was started", () => {
  const key = "/bin/ps -o stat=,lstart= -p 7";
  const mac = source("darwin", { [key]: "Ss   Sat Nov 21 10:00:00 2026\n" });
  const found = { pid: 7, startTime: "Sat Nov 21 10:00:00 2026", bootID: "" };
  assert.deepEqual(identifyProcess(7, mac), found);
  const early = source("darwin", { [key]: "Ss   Sun Nov  1 10:00:00 2026\n" });
  assert.equal(identifyProcess(7, early)?.startTime, "Sun Nov 1 10:00:00 2026");
  assert.equal(identifyProcess(8, mac), undefined);
  assert.equal(identifyProcess(7, source("darwin", { [key]: "Z Sat Nov 21\n" })), undefined);
  assert.equal(identifyProcess(7, source("darwin", { [key]: "\n" })), undefined);
});

test("only what is known to be over has ended", () => {
  const boot = { "/proc/sys/kernel/random/boot_id": "boot" };
  const linux = source("linux", boot);
  const known = { pid: 7, startTime: "1", bootID: "boot" };
  const fail = (facts: object) => () => {
    throw Object.assign(new Error("no"), facts);
  };
  assert.equal(hasEnded(known, { ...linux, readFile: fail({ code: "ENOENT" }) }), true);
  assert.equal(hasEnded(known, { ...linux, readFile: fail({ code: "ESRCH" }) }), true);
  assert.equal(hasEnded(known, { ...linux, readFile: fail({ code: "EMFILE" }) }), false);
  for (const platform of ["darwin", "win32"] as const) {
    const system = source(platform, {});
    assert.equal(hasEnded(known, { ...system, run: fail({ status: 1 }) }), true);
    assert.equal(
      hasEnded(known, { ...system, run: fail({ code: "EMFILE", status: null }) }),
      false,
    );
    assert.equal(hasEnded(known, { ...system, run: fail({ code: "ENOENT" }) }), false);
  }
});

test("Windows: CIM says when it was created, asked under its full path", () => {
  const asked: string[] = [];
  const windows: IdentitySource = {
    ...source("win32", {}),
    run: (file, args) => {
      asked.push([file, ...args].join(" "));
      return "134000000000000000\r\n";
    },
  };
  assert.deepEqual(identifyProcess(9, windows), {
    pid: 9,
    startTime: "134000000000000000",
    bootID: "",
  });
  assert.match(asked[0] ?? "", /^C:\\Windows.*powershell\.exe .*ProcessId=9/);
  assert.equal(identifyProcess(9, { ...windows, run: () => "" }), undefined);
});
