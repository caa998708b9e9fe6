/** The host dies without a word, in real: nobody that it started is alive soon after. */
import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readlinkSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { silentLog, systemClock } from "../../src/ports.js";
import { identifyProcess } from "../../src/process/identity.js";
import { Watchdog } from "../../src/process/watchdog.js";
import { WATCHDOG_SCRIPT } from "../../src/process/watchdog-script.js";
import { FakeClock } from "../fakes/clock.js";
import { rounds } from "../rounds.js";
import {
  alive,
  eventually,
  isLinux,
  isRunning,
  NODE,
  proc,
  program,
  programFile,
  withRoom,
} from "./support.js";

const skip = isLinux ? false : "looks into /proc";
/** "Nobody alive 3 s later"; a machine that is busy with other things gets no more than that either. */
const LIMIT = 3000;

const HOSTS: Record<string, string[]> = {
  node: [NODE, "--import", "tsx"],
  bun: [join(dirname(createRequire(import.meta.url).resolve("bun/package.json")), "bin/bun.exe")],
};

interface Host {
  child: ChildProcess;
  marker: string;
  /** The line that says that all its processes run. */
  ready: Promise<void>;
  /** Whatever became of it: it is gone afterwards. */
  stop(): Promise<void>;
}

function startHost(runtime: string, mode = ""): Host {
  const marker = `host-${randomBytes(8).toString("hex")}`;
  const folder = mkdtempSync(join(tmpdir(), "ocbm-watchdog-"));
  const [file = "", ...args] = HOSTS[runtime] ?? [];
  const child = spawn(file, [...args, programFile("host.ts"), folder, "10", mode], {
    cwd: join(import.meta.dirname, "../.."),
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, OCBM_TEST_ROOM: marker, HOST_NODE: NODE },
  });
  const lines = createInterface(child.stdout ?? assert.fail("no output"));
  const ready = once(lines, "line").then(([line]) => assert.match(String(line), /"jobs":10/));
  const exit = once(child, "exit");
  const stop = async () => {
    child.kill("SIGKILL");
    await exit;
    rmSync(folder, { recursive: true, force: true });
  };
  return { child, marker, ready, stop };
}

/** The living helpers that this process has started. */
function watchdogsOf(parent: number | undefined): number[] {
  return readdirSync("/proc")
    .map(Number)
    .filter((pid) => proc(pid, "cmdline").includes("opencode-background-watchdog"))
    .filter((pid) => isRunning(pid) && afterName(pid).split(" ")[2] === String(parent));
}

/** Its /proc/PID/stat without its name, which may hold anything. */
function afterName(pid: number): string {
  const stat = proc(pid, "stat");
  return stat.slice(stat.lastIndexOf(")") + 1);
}

/** The one helper of this process; a moment after the first start it may still be on its way. */
async function helperOf(parent: number | undefined, not?: number): Promise<number> {
  let found = 0;
  await eventually(() => {
    const [pid = 0, ...others] = watchdogsOf(parent);
    assert.deepEqual(others, []);
    assert.ok(pid > 1 && pid !== not, "no helper");
    found = pid;
  });
  return found;
}

/** Whether it ignores SIGTERM by now: the mask's bit 14. */
function ignoresTerm(pid: number): boolean {
  const mask = /SigIgn:\s+([0-9a-f]+)/.exec(proc(pid, "status"))?.[1] ?? "0";
  return (BigInt(`0x${mask}`) & (1n << 14n)) !== 0n;
}

async function assertNobody(marker: string, since: number): Promise<void> {
  await eventually(() => assert.deepEqual(alive(marker), []), LIMIT);
  assert.ok(Date.now() - since <= LIMIT);
}

for (const runtime of Object.keys(HOSTS)) {
  for (const moment of ["all run", "they are being started"]) {
    test(
      `${runtime} is killed with SIGKILL while ${moment}: nobody is left`,
      { skip },
      async () => {
        const host = startHost(runtime);
        try {
          if (moment === "all run") await host.ready;
          else {
            host.ready.catch(() => undefined);
            await eventually(
              () => assert.ok(alive(host.marker).length > 4, "not five yet"),
              20_000,
            );
          }
          const helper = await helperOf(host.child.pid);
          const exit = once(host.child, "exit");
          host.child.kill("SIGKILL");
          await exit;
          await assertNobody(host.marker, Date.now());
          await eventually(() => assert.equal(isRunning(helper), false), LIMIT);
        } finally {
          await host.stop();
        }
      },
    );
  }

  test(
    `${runtime} is killed in the instant in which its first process was started: nobody is left`,
    { skip },
    async () => {
      for (let round = 0; round < 5; round++) {
        const host = startHost(runtime, "first");
        try {
          const [, signal] = await once(host.child, "exit");
          assert.equal(signal, "SIGKILL");
          await assertNobody(host.marker, Date.now());
        } finally {
          await host.stop();
        }
      }
    },
  );

  for (const ending of ["SIGTERM", "SIGHUP", "SIGINT", "exit"] as const) {
    test(`${runtime} ends by ${ending}: nobody is left`, { skip }, async () => {
      const host = startHost(runtime, ending === "exit" ? "exit" : "signals");
      try {
        await host.ready;
        const exit = once(host.child, "exit");
        if (ending !== "exit") host.child.kill(ending);
        const [code, signal] = await exit;
        assert.equal(ending === "exit" ? code : signal, ending === "exit" ? 0 : ending);
        await assertNobody(host.marker, Date.now());
      } finally {
        await host.stop();
      }
    });
  }
}

/** What the descriptors above 2 are. */
function linksOf(pid: number): string[] {
  const open = readdirSync(`/proc/${pid}/fd`).filter((fd) => Number(fd) > 2);
  return open.flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/${pid}/fd/${fd}`)];
    } catch (error) {
      assert.ok(error instanceof Error && "code" in error, "a system error");
      return [];
    }
  });
}

test(
  "one small helper for all processes, in a session of its own, gone after the last",
  { skip },
  () =>
    withRoom(async (room) => {
      assert.deepEqual(watchdogsOf(process.pid), []);
      const first = await room.create("exec sleep 60");
      const second = await room.create("exec sleep 60");
      const pid = await helperOf(process.pid);
      const [, , , group, session, terminal] = afterName(pid).split(" ");
      assert.deepEqual([group, session, terminal], [String(pid), String(pid), "0"]);
      const memory = Number(/VmRSS:\s+(\d+) kB/.exec(proc(pid, "status"))?.[1]);
      assert.ok(memory < 6000, `${memory} kB`);
      await room.manager.kill({ id: first.job.id }, { reason: "cancelled_by_agent" });
      assert.ok(isRunning(pid));
      await room.manager.kill({ id: second.job.id }, { reason: "cancelled_by_agent" });
      await eventually(() => assert.equal(isRunning(pid), false), 5000);
    }),
);

test("the processes do not hold its pipe, so that it sees the host's end", { skip }, () =>
  withRoom(async (room) => {
    // What whoever started the tests left open for everybody.
    const inherited = new Set(linksOf(process.pid));
    await room.create("sleep 60");
    const { job } = await room.create("sleep 60");
    for (const { pid } of alive(room.marker)) {
      const wrong = linksOf(pid).filter(
        (link) => /^(pipe|socket):/.test(link) && !inherited.has(link),
      );
      assert.deepEqual(wrong, [], `${pid} of ${job.id}`);
    }
  }),
);

test("signals that end a terminal's processes do not end it", { skip }, () =>
  withRoom(async (room) => {
    await room.create("exec sleep 60");
    const pid = await helperOf(process.pid);
    await eventually(() => assert.ok(ignoresTerm(pid), "no trap yet"));
    for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.kill(pid, signal);
    await room.create("exec sleep 60");
    // That nothing happens has no event: one that had a signal's default would have ended by then.
    await sleep(50);
    assert.deepEqual(watchdogsOf(process.pid), [pid]);
    assert.deepEqual(room.logged, []);
  }),
);

test(
  "when it dies it is started again once, with everything that is guarded, and that is logged",
  { skip },
  () =>
    withRoom(async (room) => {
      await room.create("exec sleep 60");
      const first = await helperOf(process.pid);
      process.kill(first, "SIGKILL");
      const second = await helperOf(process.pid, first);
      assert.deepEqual(
        room.logged.map(({ message }) => message),
        ["the watchdog ended and is started again"],
      );
      process.kill(second, "SIGKILL");
      await eventually(() => assert.equal(room.logged.length, 2));
      assert.deepEqual(watchdogsOf(process.pid), []);
      // Writing to a helper that is gone harms nobody.
      const { job } = await room.create("exit 3");
      assert.equal((await room.ended(job.id)).exitCode, 3);
    }),
);

async function runScript(lines: string, instance: string): Promise<number> {
  const helper = spawn(
    "/bin/sh",
    ["-c", WATCHDOG_SCRIPT, "opencode-background-watchdog", instance],
    {
      stdio: ["pipe", "ignore", "ignore"],
    },
  );
  const start = Date.now();
  const exit = once(helper, "exit");
  helper.stdin?.end(lines);
  await exit;
  return Date.now() - start;
}

test(
  "a group whose number belongs to somebody else by now is left alone, a released one too",
  { skip },
  async () => {
    const children = [1, 2, 3].map(() =>
      spawn("sleep", ["60"], { detached: true, stdio: "ignore" }),
    );
    try {
      const [reused, released, guarded] = children.map(({ pid = 0 }) => identifyProcess(pid));
      assert.ok(reused && released && guarded);
      const lines = [
        `guard a ${reused.pid} 12345`,
        `guard b ${released.pid} ${released.startTime}`,
        `guard c ${guarded.pid} ${guarded.startTime}`,
        "release b",
        "release never_guarded",
      ];
      const took = await runScript(`${lines.join("\n")}\n`, "no-such-instance");
      assert.ok(took < 2500, `${took} ms`);
      assert.deepEqual(identifyProcess(reused.pid), reused);
      assert.deepEqual(identifyProcess(released.pid), released);
      assert.equal(identifyProcess(guarded.pid), undefined);
    } finally {
      for (const child of children) {
        if (child.exitCode !== null || child.signalCode !== null) continue;
        child.kill("SIGKILL");
        await once(child, "exit");
      }
    }
  },
);

test(
  "with nothing to guard it ends at once, and finds what was never announced by the instance's mark",
  { skip },
  async () => {
    assert.ok((await runScript("", "no-such-instance")) < 1500);
    const instance = `inst${randomBytes(8).toString("hex")}`;
    const child = spawn("sh", ["-c", program("ignore-term.mjs")], {
      detached: true,
      stdio: ["ignore", "pipe", "ignore"],
      env: { ...process.env, OPENCODE_BACKGROUND_INSTANCE: instance },
    });
    await once(child.stdout, "data");
    const exit = once(child, "exit");
    await runScript("", instance);
    const [, signal] = await exit;
    assert.equal(signal, "SIGKILL");
  },
);

test(
  "a chain that keeps forking into new sessions does not outlive the host",
  { skip, timeout: 60_000 },
  async () => {
    for (let round = 0; round < rounds(50); round++) {
      const instance = `inst${randomBytes(8).toString("hex")}`;
      const chain = spawn("sh", ["-c", `sh "${programFile("fork-chain.sh")}" 1000000; sleep 60`], {
        detached: true,
        stdio: ["ignore", "pipe", "ignore"],
        env: { ...process.env, OPENCODE_BACKGROUND_INSTANCE: instance },
      });
      // The last one that holds the pipe closes it.
      const closed = once(chain, "close", { signal: AbortSignal.timeout(30_000) });
      await once(chain.stdout.resume(), "data");
      const { pid = 0, startTime } = identifyProcess(chain.pid ?? 0) ?? {};
      try {
        await runScript(`guard a ${pid} ${startTime}\n`, instance);
        await Promise.race([
          closed,
          sleep(LIMIT).then(() => assert.fail(`round ${round}: it goes on`)),
        ]);
      } finally {
        // Whoever is left dies of the broken pipe.
        chain.stdout.destroy();
        await closed;
      }
    }
  },
);

test(
  "an idle helper that is slow to end leaves the next process of its instance alone",
  { skip },
  async () => {
    const clock = new FakeClock();
    const instanceID = `inst${randomBytes(8).toString("hex")}`;
    const watchdog = new Watchdog({ clock, log: silentLog, instanceID });
    // A number that no process has.
    watchdog.guard("proc_1", { pid: 2 ** 30, startTime: "1", bootID: "" });
    const helper = await helperOf(process.pid);
    // It is held before it hears of the release, and goes on when the next process runs.
    process.kill(helper, "SIGSTOP");
    watchdog.release("proc_1");
    await clock.advance(10_000);
    const next = spawn("sleep", ["60"], {
      detached: true,
      stdio: "ignore",
      env: { ...process.env, OPENCODE_BACKGROUND_INSTANCE: instanceID },
    });
    const exit = once(next, "exit");
    try {
      await once(next, "spawn");
      process.kill(helper, "SIGCONT");
      await eventually(() => assert.equal(isRunning(helper), false));
      assert.ok(isRunning(next.pid ?? 0), "it was ended");
    } finally {
      next.kill("SIGKILL");
      await exit;
    }
  },
);

test("Windows has none, and nothing is started", () => {
  const started: string[] = [];
  const watchdog = new Watchdog({
    clock: systemClock,
    log: silentLog,
    instanceID: "i",
    platform: "win32",
    start: (id) => {
      started.push(id);
      return assert.fail("started");
    },
  });
  watchdog.guard("proc_1", { pid: 5, startTime: "1", bootID: "" });
  watchdog.release("proc_1");
  assert.deepEqual(started, []);
});
