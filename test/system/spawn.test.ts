/** Which shell, and which environment. */
import assert from "node:assert/strict";
import { readlinkSync } from "node:fs";
import { test } from "node:test";
import { chooseShell, jobEnvironment } from "../../src/system/spawn.js";
import { withRoom } from "../process/room.js";
import { proc, skip } from "../process/support.js";

test("the user's shell if it understands -c as models write it, else bash (zsh on macOS), else /bin/sh", () => {
  const choose = (shell: string | undefined, exists = true) =>
    chooseShell({ SHELL: shell }, "linux", () => exists).file;
  for (const shell of ["/bin/bash", "/usr/bin/zsh", "/bin/dash", "/opt/ksh"]) {
    assert.equal(choose(shell), shell);
  }
  for (const shell of ["/usr/bin/fish", "/usr/bin/nu", "/bin/tcsh", "bash", "", undefined]) {
    assert.equal(choose(shell), "/bin/bash");
    assert.equal(chooseShell({ SHELL: shell }, "darwin", () => true).file, "/bin/zsh");
  }
  const elsewhere = (file: string) => file === "/usr/local/bin/bash";
  assert.equal(chooseShell({}, "linux", elsewhere).file, "/usr/local/bin/bash");
  assert.equal(choose("/bin/bash", false), "/bin/sh");
});

test("the shell of OpenCode's configuration comes first, by its path or its name, if it is there", () => {
  const env = { SHELL: "/bin/bash", PATH: "relative:/usr/bin:/opt/bin" };
  const there = ["/opt/bin/zsh", "/usr/bin/fish", "/bin/bash"];
  const choose = (configured: string | undefined) =>
    chooseShell(env, "linux", (file) => there.includes(file), configured).file;
  assert.equal(choose("zsh"), "/opt/bin/zsh");
  assert.equal(choose("/usr/bin/fish"), "/usr/bin/fish");
  for (const configured of ["/usr/bin/zsh", "nu", undefined]) {
    assert.equal(choose(configured), "/bin/bash");
  }
});

test("Windows: the command processor that the system names", () => {
  const shell = chooseShell({ ComSpec: "D:\\cmd.exe" }, "win32");
  assert.deepEqual(shell, { file: "D:\\cmd.exe", args: ["/d", "/s", "/c"], verbatim: true });
});

test("the marker cannot be overwritten, and that of an outer job is handed on", () => {
  const markers = { jobID: "proc_inner", instanceID: "i2" };
  const own = { A: "own", OPENCODE_BACKGROUND_JOB: "forged" };
  assert.deepEqual(jobEnvironment({ A: "base", B: "base" }, own, markers), {
    A: "own",
    B: "base",
    OPENCODE_BACKGROUND_JOB: "proc_inner",
    OPENCODE_BACKGROUND_INSTANCE: "i2",
  });
  const outer = { OPENCODE_BACKGROUND_JOB: "proc_outer", OPENCODE_BACKGROUND_INSTANCE: "i1" };
  assert.deepEqual(jobEnvironment(outer, {}, markers), {
    OPENCODE_BACKGROUND_JOB: "proc_outer:proc_inner",
    OPENCODE_BACKGROUND_INSTANCE: "i1:i2",
  });
});

test("the chosen shell is the one that runs, and the record says so", () =>
  withRoom(
    async (room) => {
      const { job } = await room.create("echo $0");
      const { file } = chooseShell({ SHELL: "/usr/bin/fish" });
      assert.equal(job.shell, file);
      await room.ended(job.id);
      assert.equal(await room.output(job.id), `${file}\n`);
    },
    { deps: { env: { PATH: process.env["PATH"], SHELL: "/usr/bin/fish" } } },
  ));

test("the configured shell runs, and the record says so", { skip }, () =>
  withRoom(
    async (room) => {
      const { job } = await room.create("echo $0");
      await room.ended(job.id);
      assert.deepEqual([job.shell, await room.output(job.id)], ["/bin/sh", "/bin/sh\n"]);
    },
    { deps: { configuredShell: () => "/bin/sh" } },
  ),
);

test(
  "the shell leads a group and a session of its own, without a terminal, and reads nothing",
  { skip },
  () =>
    withRoom(async (room) => {
      const { job } = await room.create("sleep 60; true");
      const pid = job.identity?.pid ?? 0;
      const stat = proc(pid, "stat");
      const [, , , group, session, terminal] = stat.slice(stat.lastIndexOf(")") + 1).split(" ");
      assert.deepEqual([group, session, terminal], [String(pid), String(pid), "0"]);
      assert.equal(readlinkSync(`/proc/${pid}/fd/0`), "/dev/null");
    }),
);
