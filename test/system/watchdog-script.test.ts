/** The helper's script alone: whom it ends once its input is closed, and whom it leaves alone. */
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { noControlGroups } from "../../fixtures/programs/daemons.js";
import { ControlGroup, tryControlGroups } from "../../src/system/control-group.js";
import { identifyProcess } from "../../src/system/identity.js";
import { WATCHDOG_SCRIPT } from "../../src/system/watchdog-script.js";
import { rounds } from "../rounds.js";
import {
  eventually,
  isRunning,
  NODE,
  program,
  programFile,
  skip,
  withSleepers,
} from "../process/support.js";

/** Only what never ends takes so long. */
const GOES_ON_MS = 20_000;

async function runScript(lines: string, instance: string, script = WATCHDOG_SCRIPT): Promise<void> {
  const helper = spawn("/bin/sh", ["-c", script, "opencode-background-watchdog", instance], {
    stdio: ["pipe", "ignore", "ignore"],
  });
  const exit = once(helper, "exit");
  helper.stdin?.end(lines);
  await exit;
}

test(
  "a group whose number belongs to another process by now is left alone, a released one too",
  { skip },
  () =>
    withSleepers(3, async (pids) => {
      const [reused, released, guarded] = pids.map((pid) => identifyProcess(pid));
      assert.ok(reused && released && guarded);
      const lines = [
        `guard a ${reused.pid} 12345`,
        `guard b ${released.pid} ${released.startTime}`,
        `guard c ${guarded.pid} ${guarded.startTime}`,
        "release b",
        "release never_guarded",
      ];
      await runScript(`${lines.join("\n")}\n`, "no-such-instance");
      assert.deepEqual(identifyProcess(reused.pid), reused);
      assert.deepEqual(identifyProcess(released.pid), released);
      assert.equal(identifyProcess(guarded.pid), undefined);
    }),
);

test(
  "with nothing to guard it ends at once, and finds what was never announced by the instance's mark",
  { skip },
  async () => {
    await runScript("", "no-such-instance");
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

/** As on macOS: it asks `ps`. */
const WITHOUT_PROC = WATCHDOG_SCRIPT.replaceAll("/proc", "/nowhere");

for (const [where, script] of [
  ["with /proc", WATCHDOG_SCRIPT],
  ["with ps", WITHOUT_PROC],
] as const) {
  test(
    `${where}: below a wrapper SIGTERM comes once, and not from here to who was told`,
    { skip },
    async () => {
      const folder = mkdtempSync(join(tmpdir(), "ocbm-script-"));
      const counter = `"${NODE}" "${programFile("count-term.mjs")}"`;
      const groups = ["wrapped", "told"].map((name) => {
        const file = join(folder, name);
        // The first one ends of it in time, below one that hands it on; the second does not.
        const command =
          name === "told"
            ? `exec ${counter} ${file} 60000`
            : `exec timeout --foreground 60 ${counter} ${file} 10`;
        const child = spawn("bash", ["-c", command], { detached: true, stdio: "ignore" });
        return { file, pid: child.pid ?? 0, exit: once(child, "exit") };
      });
      const [wrapped, told] = groups;
      assert.ok(wrapped && told);
      try {
        const read = ({ file }: { file: string }) =>
          existsSync(file) ? readFileSync(file, "utf8") : "";
        await eventually(() => assert.deepEqual(groups.map(read), ["up\n", "up\n"]));
        const start = (pid: number) =>
          script === WITHOUT_PROC
            ? execFileSync("ps", ["-o", "lstart=", "-p", String(pid)], { encoding: "utf8" }).trim()
            : identifyProcess(pid)?.startTime;
        const lines = [
          ...groups.map(({ pid }, index) => `guard job${index} ${pid} ${start(pid)}`),
          `told job0 ${2 ** 30}`,
          `told job1 ${told.pid}`,
          "release never_guarded",
        ];
        await runScript(`${lines.join("\n")}\n`, "no-such-instance", script);
        await Promise.all(groups.map(({ exit }) => exit));
        assert.deepEqual(groups.map(read), ["up\nSIGTERM\n", "up\n"]);
      } finally {
        for (const { pid } of groups) if (isRunning(pid)) process.kill(-pid, "SIGKILL");
        rmSync(folder, { recursive: true });
      }
    },
  );
}

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
        // The script has ended: what still forks now goes on for ever.
        await Promise.race([
          closed,
          sleep(GOES_ON_MS).then(() => assert.fail(`round ${round}: it goes on`)),
        ]);
      } finally {
        // What is left dies of the broken pipe.
        chain.stdout.destroy();
        await closed;
      }
    }
  },
);

for (const [kernel, script] of [
  ["this kernel", WATCHDOG_SCRIPT],
  ["a kernel without cgroup.kill", WATCHDOG_SCRIPT.replace("cgroup.kill", "no-such-file")],
] as const) {
  test(
    `what nothing marks is ended by its control group and that is removed, with ${kernel}`,
    { skip: noControlGroups },
    async () => {
      const home = await tryControlGroups();
      const folder = "folder" in home ? join(home.folder, `ocbm-watchdog.${process.pid}`) : "";
      const inner = join(folder, "proc_a.1", "inner");
      mkdirSync(inner, { recursive: true });
      const into = 'echo 0 >"$1/cgroup.procs"; exec env -i';
      const kinds = [
        // One that counts, one that only SIGKILL ends, one in a group below.
        [dirname(inner), "sh -c 'trap \"exit 3\" TERM; echo up; while :; do sleep 0.05; done'"],
        [dirname(inner), "sh -c 'trap \"\" TERM; echo up; while :; do sleep 0.05; done'"],
        [inner, "sh -c 'echo up; exec sleep 60'"],
      ] as const;
      const children = kinds.map(([group, command]) => {
        return spawn("sh", ["-c", `${into} PATH="$PATH" ${command}`, "sh", group], {
          detached: true,
          stdio: ["ignore", "pipe", "ignore"],
        });
      });
      const exits = children.map((child) => once(child, "exit"));
      try {
        await Promise.all(children.map((child) => once(child.stdout, "data")));
        await runScript(`groups ${folder}\n`, "no-such-instance", script);
        assert.deepEqual(
          children.filter(({ pid = 0 }) => isRunning(pid)).map(({ pid }) => pid),
          [],
        );
        assert.deepEqual(await Promise.all(exits), [
          [3, null],
          [null, "SIGKILL"],
          [null, "SIGTERM"],
        ]);
        assert.equal(existsSync(folder), false);
      } finally {
        for (const child of children) child.kill("SIGKILL");
        await Promise.all(exits);
        await new ControlGroup(folder).remove();
      }
    },
  );
}
