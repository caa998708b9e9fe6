/** The host dies without a word, in real: nothing that it started is alive soon after. */
import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { alive, eventually, isRunning, NODE, programFile, skip } from "./support.js";
import { readInstances } from "../../src/store/instances.js";
import { helperOf, LOOKS } from "../system/watchdogs.js";

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

/** In looks, not in seconds: the watchdog is as slow as the machine, and so are these. */
async function assertNoneLeft(marker: string): Promise<void> {
  for (let look = 1; alive(marker).length > 0; look++) {
    assert.ok(
      look < LOOKS,
      `after ${look} looks: ${alive(marker)
        .map(({ command }) => command)
        .join("; ")}`,
    );
    await sleep(25);
  }
}

for (const runtime of Object.keys(HOSTS)) {
  for (const moment of ["all run", "they are being started"]) {
    test(`${runtime} is killed with SIGKILL while ${moment}: none is left`, { skip }, async () => {
      const host = startHost(runtime);
      try {
        if (moment === "all run") await host.ready;
        else {
          host.ready.catch(() => undefined);
          await eventually(() => assert.ok(alive(host.marker).length > 4, "not five yet"), 20_000);
        }
        const helper = await helperOf(host.child.pid);
        const exit = once(host.child, "exit");
        host.child.kill("SIGKILL");
        await exit;
        await assertNoneLeft(host.marker);
        await eventually(() => assert.equal(isRunning(helper), false));
      } finally {
        await host.stop();
      }
    });
  }

  test(
    `${runtime} is killed in the instant in which its first process was started: none is left`,
    { skip },
    async () => {
      for (let round = 0; round < 5; round++) {
        const host = startHost(runtime, "first");
        try {
          const [, signal] = await once(host.child, "exit");
          assert.equal(signal, "SIGKILL");
          await assertNoneLeft(host.marker);
        } finally {
          await host.stop();
        }
      }
    },
  );

  for (const ending of ["SIGTERM", "SIGHUP", "SIGINT", "exit"] as const) {
    test(`${runtime} ends by ${ending}: none is left`, { skip }, async () => {
      const host = startHost(runtime, ending === "exit" ? "exit" : "signals");
      try {
        await host.ready;
        const exit = once(host.child, "exit");
        if (ending !== "exit") host.child.kill(ending);
        const [code, signal] = await exit;
        assert.equal(ending === "exit" ? code : signal, ending === "exit" ? 0 : ending);
        await assertNoneLeft(host.marker);
      } finally {
        await host.stop();
      }
    });
  }
}

for (const runtime of Object.keys(HOSTS)) {
  test(
    `${runtime} exits while it closes: the record says that it ended with the host, none is left, and SIGTERM came once`,
    { skip },
    async () => {
      const folder = mkdtempSync(join(tmpdir(), "ocbm-closing-"));
      const marker = `host-${randomBytes(8).toString("hex")}`;
      const [file = "", ...args] = HOSTS[runtime] ?? [];
      const child = spawn(file, [...args, programFile("closing-host.ts"), folder], {
        stdio: ["ignore", "pipe", "inherit"],
        env: { ...process.env, OCBM_TEST_ROOM: marker, HOST_NODE: NODE },
      });
      try {
        const [code] = await once(child, "exit");
        assert.equal(code, 0);
        const [view] = await readInstances(join(folder, "state"));
        const [job] = view?.jobs ?? [];
        assert.deepEqual([job?.status, job?.endReason], ["cancelled", "host_exit"]);
        await assertNoneLeft(marker);
        // The kill that had begun sent it; the watchdog did not once more.
        assert.equal(readFileSync(join(folder, "counted"), "utf8"), "up\nSIGTERM\n");
      } finally {
        child.kill("SIGKILL");
        rmSync(folder, { recursive: true, force: true });
      }
    },
  );
}
