/** Which process waits for the input that we hold: real programs, seen through /proc. */
import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { describe, it, type TestContext } from "node:test";
import { descriptorOf, findReader } from "../../src/system/input-wait.js";

const skip = process.platform === "linux" ? false : "only Linux says what a process waits for";

function start(t: TestContext, file: string, args: string[]): ChildProcess & { pid: number } {
  const child = spawn(file, args, { stdio: ["pipe", "pipe", "ignore"], detached: true });
  const { pid } = child;
  if (pid === undefined) throw new Error(`${file} cannot be started`);
  t.after(() => {
    try {
      process.kill(-pid, "SIGKILL");
    } catch {
      // It has ended.
    }
  });
  return Object.assign(child, { pid });
}

function childrenOf(pid: number): number[] {
  return readdirSync("/proc")
    .map(Number)
    .filter((each) => Number.isInteger(each))
    .filter((each) => {
      try {
        return (
          readFileSync(`/proc/${each}/stat`, "utf8").split(") ")[1]?.split(" ")[1] === `${pid}`
        );
      } catch {
        return false;
      }
    });
}

function descendantsOf(pid: number): number[] {
  return childrenOf(pid).flatMap((each) => [each, ...descendantsOf(each)]);
}

/** Of its standard error, which the test has left as it is. */
async function terminalOf(pid: number): Promise<string> {
  return (await descriptorOf(pid, 2)) ?? "";
}

/** No event tells that a process began to wait: asked until it does, the test's own limit ends it. */
async function waitForReader(pids: () => number[], input: string): Promise<number> {
  for (;;) {
    const reader = await findReader(pids(), input);
    if (typeof reader === "number") return reader;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

void describe("a process that waits for input", { skip, timeout: 30_000 }, () => {
  void it("in read: a shell that asks", async (t) => {
    const child = start(t, "/bin/bash", ["-c", "read answer; echo $answer; sleep 600"]);
    const input = (await descriptorOf(child.pid, 0)) ?? "";
    assert.match(input, /^(?:socket|pipe):\[\d+\]$/u);
    assert.equal(await waitForReader(() => [child.pid], input), child.pid);
    child.stdin?.write("yes\n");
    await new Promise((resolve) => child.stdout?.once("data", resolve));
    assert.equal(await findReader([child.pid, ...childrenOf(child.pid)], input), undefined);
  });

  void it("in epoll: a program of Node that listens to its stdin", async (t) => {
    const listening = "process.stdin.on('data', () => {}); console.log('up')";
    const child = start(t, process.execPath, ["-e", listening]);
    const input = (await descriptorOf(child.pid, 0)) ?? "";
    assert.equal(await waitForReader(() => [child.pid], input), child.pid);
  });

  void it("not one of Node that only runs", async (t) => {
    const child = start(t, process.execPath, [
      "-e",
      "setInterval(() => {}, 1000); console.log('up')",
    ]);
    const input = (await descriptorOf(child.pid, 0)) ?? "";
    await new Promise((resolve) => child.stdout?.once("data", resolve));
    assert.equal(await findReader([child.pid], input), undefined);
  });

  void it("as a child of the shell, which itself only waits for it", async (t) => {
    const child = start(t, "/bin/sh", ["-c", "cat; true"]);
    const input = (await descriptorOf(child.pid, 0)) ?? "";
    const reader = await waitForReader(() => [child.pid, ...childrenOf(child.pid)], input);
    assert.deepEqual(childrenOf(child.pid), [reader]);
  });

  void it("from something else than ours is not meant", async (t) => {
    const child = start(t, "/bin/bash", ["-c", "exec 3< <(sleep 600); echo up; read -u 3 x"]);
    const input = (await descriptorOf(child.pid, 0)) ?? "";
    await new Promise((resolve) => child.stdout?.once("data", resolve));
    const other = await waitForOther(child.pid);
    assert.notEqual(other, input);
    assert.equal(await findReader([child.pid], input), undefined);
  });

  void it("from its terminal, which it has opened by its common name", async (t) => {
    const asks = "read -r word < /dev/tty";
    const child = start(t, "script", ["-qc", `bash -c '${asks}; true'`, "/dev/null"]);
    // No event tells that it got so far.
    const asking = async (): Promise<number> => {
      for (;;) {
        for (const pid of descendantsOf(child.pid)) {
          const name = await descriptorOf(pid, 0);
          if (name === "/dev/tty" && (await findReader([pid], await terminalOf(pid))) === pid)
            return pid;
        }
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    };
    const pid = await asking();
    assert.equal(await findReader([pid], "/dev/pts/999999"), undefined);
    assert.equal(await findReader([pid], "pipe:[1]"), undefined);
  });

  void it("cannot be told of another user's process", async (t) => {
    // For the others everything is to be as it was.
    if (process.getuid?.() === 0) {
      process.seteuid?.(65_534);
      t.after(() => process.seteuid?.(0));
    }
    assert.equal(await findReader([1], "pipe:[1]"), "unknown");
    assert.equal(await findReader([process.pid, 1], "pipe:[1]"), "unknown");
  });

  void it("and is gone, or never was there, is none", async () => {
    assert.equal(await findReader([2 ** 22 + 1], "pipe:[1]"), undefined);
    assert.equal(await descriptorOf(2 ** 22 + 1, 0), undefined);
  });
});

/** Until it reads descriptor 3, which is no input of ours. */
async function waitForOther(pid: number): Promise<string> {
  for (;;) {
    const other = await descriptorOf(pid, 3);
    if (other !== undefined && (await findReader([pid], other)) === pid) return other;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
