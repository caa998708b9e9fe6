/** What real processes take, and the ports that they listen on. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { identifyProcess } from "../../src/system/identity.js";
import { systemMeasure } from "../../src/system/usage.js";
import { isLinux } from "../process/support.js";

test(
  "processor time, memory and ports of a process and of what it has started",
  { skip: !isLinux },
  async () => {
    // The shell itself listens nowhere; its child does, and burns 60 ms.
    const program = `const end = Date.now() + 60; while (Date.now() < end);
      require("net").createServer().listen(0, "127.0.0.1", function () { console.log(this.address().port); });`;
    const child = spawn("/bin/sh", ["-c", `"$0" -e '${program}'; exit`, process.execPath], {
      detached: true,
      stdio: ["ignore", "pipe", "inherit"],
    });
    const exited = once(child, "exit");
    const { pid } = child;
    assert.ok(pid !== undefined);
    try {
      const [line] = await once(child.stdout, "data");
      const identity = identifyProcess(pid);
      assert.ok(identity);
      const usage = await systemMeasure()({ jobID: "proc_1", identity });
      assert.ok(usage);
      assert.deepEqual(usage.ports, [Number(String(line).trim())]);
      assert.equal(usage.processes, 2);
      assert.ok(usage.cpuMilliseconds >= 60, `${usage.cpuMilliseconds} ms`);
      assert.ok(usage.memoryBytes > 10 * 1024 ** 2, `${usage.memoryBytes} bytes`);
    } finally {
      process.kill(-pid, "SIGKILL");
      await exited;
    }
    const gone = { pid, startTime: "1", bootID: "" };
    // The shell's child is still dying when the shell has exited; the limit of a test bounds this.
    let left = await systemMeasure()({ jobID: "proc_1", identity: gone });
    while (left?.processes === 1) left = await systemMeasure()({ jobID: "proc_1", identity: gone });
    assert.equal(left?.processes, 0);
  },
);

test("where the system is not Linux nothing is said", async () => {
  const identity = { pid: process.pid, startTime: "1", bootID: "" };
  assert.equal(await systemMeasure("darwin")({ jobID: "proc_1", identity }), undefined);
});
