/** Control groups of the real kernel, and what becomes of a process where they fail in one way or another. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { test } from "node:test";
import { DAEMONS, HIDDEN, noControlGroups, numberIn } from "../../fixtures/programs/daemons.js";
import {
  ControlGroup,
  ControlGroups,
  recordedGroup,
  systemGroupFiles,
  tryControlGroups,
  type GroupFiles,
} from "../../src/system/control-group.js";
import { silentLog } from "../../src/ports.js";
import { identifyProcess } from "../../src/system/identity.js";
import { chooseMover } from "../../src/system/spawn.js";
import { FakeClock } from "../fakes/clock.js";
import { withRoom, type Room } from "../process/room.js";
import { AGENT, eventually, isRunning, proc } from "../process/support.js";
import { groupsWith } from "./control-groups.js";

const skip = noControlGroups;

/** The folder of the group in which groups of ours are made. */
async function homeFolder(): Promise<string> {
  const home = await tryControlGroups();
  return "folder" in home ? home.folder : assert.fail(home.why);
}

/** The control group that a process is in, below the mount. */
function groupOf(pid: number): string {
  return /^0::(.*)$/mu.exec(proc(pid, "cgroup"))?.[1] ?? "";
}

/** Starts one below a shell that goes on. */
async function hidden(room: Room, rest: string) {
  const folder = join(room.folder, "hidden");
  mkdirSync(folder);
  const daemon = (await DAEMONS[HIDDEN]?.(folder)) ?? assert.fail();
  const { job } = await room.create(
    `${daemon.command}; until [ -s ${daemon.pidFile} ]; do :; done; echo started; ${rest}`,
    { readyPattern: "started" },
  );
  return { job, pid: await numberIn(daemon) };
}

test(
  "a process runs in a group of its own, which its record names and which is gone after its end",
  { skip },
  () =>
    withRoom(async (room) => {
      const { job } = await room.create("echo up; exec sleep 60", { readyPattern: "up" });
      const { identity, controlGroup } = room.manager.get(job.id) ?? assert.fail();
      assert.ok(identity && controlGroup);
      assert.ok(controlGroup.endsWith(groupOf(identity.pid)), groupOf(identity.pid));
      assert.equal(readFileSync(join(controlGroup, "cgroup.procs"), "utf8"), `${identity.pid}\n`);
      await room.manager.kill({ id: job.id }, AGENT);
      assert.equal(room.manager.get(job.id)?.controlGroup, undefined);
      await eventually(() => assert.equal(existsSync(dirname(controlGroup)), false));
    }),
);

const ODD = {
  "A-B": "1",
  "BASH_FUNC_f%%": "() {  echo hello\n}",
  SPACES: " a\n b ",
  EMPTY: "",
};

test(
  "environment, folder, descriptors, exit code and command are as without a group",
  { skip },
  () =>
    withRoom(async (room) => {
      const file = join(room.folder, "sourced.sh");
      writeFileSync(file, "echo sourced >&2\n");
      const long = "x".repeat(131_000 - 200);
      const look =
        "tr '\\0' '\\n' </proc/$$/environ; readlink /proc/self/cwd; ls /proc/$$/fd; exit 7";
      const outputs: string[] = [];
      for (const controlGroups of [
        groupsWith({}),
        groupsWith({ make: () => Promise.reject(new Error("none")) }),
      ]) {
        for (const more of [{}, ODD]) {
          await withRoom(
            async (inner) => {
              const { job } = await inner.create(`${look} # ${long}`, {
                cwd: room.folder,
                env: { ...more, ENV: file, BASH_ENV: file },
              });
              const { exitCode } = await inner.ended(job.id);
              assert.equal(exitCode, 7);
              const text = await inner.output(job.id);
              outputs.push(
                text
                  .replaceAll(job.id, "JOB")
                  .replaceAll(/room-\w+|(?<=INSTANCE=)\w+/gu, "ID")
                  // What every shell says of itself.
                  .replaceAll(/^(?:PWD|OLDPWD|SHLVL|_)=.*\n/gmu, "")
                  .split("\n")
                  .sort()
                  .join("\n"),
              );
            },
            { deps: { controlGroups } },
          );
        }
      }
      assert.equal(outputs[0], outputs[2]);
      assert.equal(outputs[1], outputs[3]);
      assert.match(outputs[1] ?? "", /^A-B=1$/mu);
      assert.match(outputs[1] ?? "", /^BASH_FUNC_f%%=/mu);
    }),
);

test("what would change the environment or the words of a failure moves no shell", () => {
  const shell = { file: "/bin/bash", args: ["-c"], verbatim: false };
  const choose = (env: NodeJS.ProcessEnv, isThere = true) => chooseMover(shell, env, () => isThere);
  assert.deepEqual(choose({ PATH: "/bin" }), ["/bin/sh", "-c"]);
  assert.deepEqual(choose({ PATH: "/bin", "A-B": "1" })?.slice(1), ["--posix", "-c"]);
  assert.equal(choose({ SHELLOPTS: "xtrace" }), undefined);
  assert.equal(choose({ BASHOPTS: "extglob" }), undefined);
  assert.equal(choose({ PATH: "/bin" }, false), undefined);
  const onlyShell = (file: string) => file === shell.file;
  assert.equal(
    chooseMover({ ...shell, file: "/bin/zsh" }, { "A-B": "" }, (file) => file === "/bin/zsh"),
    undefined,
  );
  assert.deepEqual(chooseMover(shell, { "A-B": "" }, onlyShell), ["/bin/bash", "--posix", "-c"]);
});

for (const stdin of ["closed", "open"] as const) {
  test(`what hides completely is ended by a kill, with stdin ${stdin}`, { skip }, () =>
    withRoom(async (room) => {
      const { job, pid } = await hidden(room, "sleep 60");
      const { jobs } = await room.manager.kill({ id: job.id }, AGENT);
      assert.deepEqual([jobs[0]?.outcome, jobs[0]?.mayBeLeft], ["killed", []]);
      assert.equal(isRunning(pid), false);
    }),
  );
}

test("processes that hide and never stop forking are ended by a kill", { skip }, () =>
  withRoom(async (room) => {
    const chain = "f() { (trap '' TERM; exec 3<&- >/dev/null 2>&1; f) & }; f";
    const { job } = await room.create(
      `exec env -i PATH="$PATH" bash -c ${JSON.stringify(`trap '' TERM; echo up; ${chain}; sleep 60`)}`,
      { readyPattern: "up" },
    );
    const { controlGroup } = room.manager.get(job.id) ?? assert.fail();
    assert.ok(controlGroup);
    const { jobs } = await room.manager.kill({ id: job.id }, AGENT);
    assert.deepEqual([jobs[0]?.outcome, jobs[0]?.survivors], ["killed", []]);
    await eventually(() => assert.equal(existsSync(controlGroup), false));
  }),
);

test(
  "what was moved below the group by the job itself is ended, and its groups are removed",
  { skip },
  () =>
    withRoom(async (room) => {
      const { job } = await room.create(
        'g=$(sed -n "s/^0:://p" /proc/self/cgroup); m=$(sed -n "s/^[^ ]* \\([^ ]*\\) cgroup2 .*/\\1/p" /proc/mounts); mkdir "$m$g/a" "$m$g/a/b"; (echo 0 >"$m$g/a/b/cgroup.procs"; exec sleep 61) & echo up; sleep 60',
        { readyPattern: "up" },
      );
      const { controlGroup } = room.manager.get(job.id) ?? assert.fail();
      assert.ok(controlGroup);
      const inside = new ControlGroup(join(controlGroup, "a", "b"));
      await eventually(() => assert.equal(inside.pids().length, 1));
      const [pid = 0] = inside.pids();
      await room.manager.kill({ id: job.id }, AGENT);
      assert.equal(isRunning(pid), false);
      await eventually(() => assert.equal(existsSync(controlGroup), false));
    }),
);

test("no group can be made: said once, none is tried again, and processes run", () => {
  let tries = 0;
  const logged: string[] = [];
  const make = () => {
    tries += 1;
    return Promise.reject(new Error("EROFS: read-only file system"));
  };
  const controlGroups = groupsWith({ make }, (_level, message) => void logged.push(message));
  return withRoom(
    async (room) => {
      for (let count = 0; count < 2; count += 1) {
        const { job } = await room.create("exit 3");
        const { exitCode } = await room.ended(job.id);
        assert.equal(exitCode, 3);
        assert.equal(job.controlGroup, undefined);
      }
      assert.equal(tries, noControlGroups === false ? 1 : 0);
      if (noControlGroups === false) {
        assert.deepEqual(logged, ["no control group can be made: processes run without"]);
      }
    },
    { deps: { controlGroups } },
  );
});

test("a shell cannot move: it runs, that is said, and no more groups are made", { skip }, () => {
  const logged: string[] = [];
  const controlGroups = groupsWith(
    {
      // Below a group of threads it is invalid: EOPNOTSUPP.
      make: async (folder) => {
        await systemGroupFiles.make(dirname(folder));
        await systemGroupFiles.write(join(dirname(folder), "cgroup.type"), "threaded");
        await systemGroupFiles.make(folder);
      },
    },
    (_level, message) => void logged.push(message),
  );
  return withRoom(
    async (room) => {
      const { job } = await room.create("echo up; exec sleep 60", { readyPattern: "up" });
      assert.equal(room.manager.get(job.id)?.controlGroup, undefined);
      assert.equal(await room.output(job.id), "up\n");
      assert.deepEqual(logged, [
        "a shell could not move into its control group: processes run without",
      ]);
      assert.equal(controlGroups.folder, undefined);
      const { jobs } = await room.manager.kill({ id: job.id }, AGENT);
      assert.equal(jobs[0]?.outcome, "killed");
    },
    { deps: { controlGroups } },
  );
});

test("a folder that comes late is waited for by the shell alone", { skip }, () => {
  let open: () => void = () => undefined;
  let isLate = false;
  const make = async (folder: string) => {
    if (isLate) await new Promise<void>((resolve) => (open = resolve));
    await systemGroupFiles.make(folder);
  };
  return withRoom(
    async (room) => {
      await room.create("exec sleep 60");
      isLate = true;
      const { job } = await room.create("echo up; exec sleep 60");
      const { identity, controlGroup } = room.manager.get(job.id) ?? assert.fail();
      assert.ok(identity && controlGroup);
      assert.equal(existsSync(controlGroup), false);
      open();
      await room.seen(job.id, "up");
      assert.deepEqual(new ControlGroup(controlGroup).pids(), [identity.pid]);
    },
    { deps: { controlGroups: groupsWith({ make }) } },
  );
});

test(
  "a flood of starts goes without groups after the first eight, and has them again later",
  { skip },
  async () => {
    const clock = new FakeClock();
    const made: string[] = [];
    const files = { ...systemGroupFiles, make: async (folder: string) => void made.push(folder) };
    const groups = new ControlGroups({ instanceID: "0e", clock, log: silentLog, files });
    const open = async (count: number) => {
      const before = made.length;
      for (let at = 0; at < count; at += 1) {
        if (groups.mayOpen()) await groups.open(`proc_${before + at}`, 1);
      }
      return made.length - before;
    };
    assert.equal(await open(20), 8);
    await clock.advance(600);
    assert.equal(await open(20), 2);
    await clock.advance(60_000);
    assert.equal(await open(20), 8);
  },
);

test("a kernel without cgroup.kill: each is killed by its number", { skip }, () => {
  const write = () => Promise.reject(Object.assign(new Error("none"), { code: "ENOENT" }));
  return withRoom(
    async (room) => {
      const { job } = await room.create(
        "(exec 3<&- >/dev/null 2>&1; exec env -i setsid sh -c 'trap \"\" TERM; while :; do sleep 1; done') & sleep 0.2; echo up; sleep 60",
        { readyPattern: "up" },
      );
      const { controlGroup } = room.manager.get(job.id) ?? assert.fail();
      assert.ok(controlGroup);
      const pids = new ControlGroup(controlGroup).pids();
      const { jobs } = await room.manager.kill({ id: job.id }, AGENT);
      assert.deepEqual([jobs[0]?.outcome, jobs[0]?.mayBeLeft], ["killed", []]);
      assert.deepEqual(pids.filter(isRunning), []);
    },
    { deps: { controlGroups: groupsWith({ write }) } },
  );
});

test(
  "a group that the kernel still counts as busy is removed a moment later",
  { skip },
  async () => {
    const folder = join(await homeFolder(), `ocbm-busy.${process.pid}`);
    mkdirSync(folder);
    let busy = 3;
    const remove = async (path: string) => {
      if (busy-- > 0) throw Object.assign(new Error("busy"), { code: "EBUSY" });
      await systemGroupFiles.remove(path);
    };
    const group = new ControlGroup(folder, { ...systemGroupFiles, remove });
    assert.equal(await group.remove(), true);
    assert.equal(existsSync(folder), false);
  },
);

test("a group that stays busy is left, and its run ends", { skip }, () => {
  const remove = () => Promise.reject(Object.assign(new Error("busy"), { code: "EBUSY" }));
  const controlGroups = groupsWith({ remove });
  return withRoom(
    async (room) => {
      const { job } = await room.create("echo up; exec sleep 60", { readyPattern: "up" });
      const { controlGroup } = room.manager.get(job.id) ?? assert.fail();
      assert.ok(controlGroup);
      await room.manager.kill({ id: job.id }, AGENT);
      await controlGroups.close();
      assert.ok(existsSync(controlGroup));
      rmdirSync(controlGroup);
      rmdirSync(dirname(controlGroup));
    },
    { deps: { controlGroups } },
  );
});

test(
  "what OpenCodes left that are gone is removed by the next start, what living ones have is not",
  { skip },
  async () => {
    const home = await homeFolder();
    const self = identifyProcess(process.pid) ?? assert.fail();
    const gone = join(home, `opencode-background.0b.${self.pid}.1`);
    const living = join(home, `opencode-background.0c.${self.pid}.${self.startTime}`);
    const other = join(home, "opencode-background.ours-not");
    for (const folder of [join(gone, "proc_x.1"), join(living, "proc_y.1"), other]) {
      mkdirSync(folder, { recursive: true });
    }
    try {
      await withRoom(async (room) => {
        const { job } = await room.create("exit 0");
        await room.ended(job.id);
      });
      assert.deepEqual(
        [gone, join(living, "proc_y.1"), other].map((folder) => existsSync(folder)),
        [false, true, true],
      );
    } finally {
      for (const folder of [
        join(gone, "proc_x.1"),
        gone,
        join(living, "proc_y.1"),
        living,
        other,
      ]) {
        if (existsSync(folder)) rmdirSync(folder);
      }
    }
  },
);

test("a recorded group is used only where it can be one of that job", { skip }, async () => {
  const home = await homeFolder();
  const instance = join(home, "opencode-background.0d.1.1");
  const path = join(instance, "proc_a.2");
  const scratch = mkdtempSync(join(tmpdir(), "ocbm-group-"));
  const elsewhere = join(scratch, basename(instance), basename(path));
  mkdirSync(path, { recursive: true });
  try {
    const found = (controlGroup: string, id = "proc_a") =>
      recordedGroup({ id, controlGroup })?.path;
    assert.equal(found(path), path);
    assert.equal(found(path, "proc_b"), undefined);
    assert.equal(found(home), undefined);
    assert.equal(found(join(instance, "proc_a.3")), undefined);
    assert.equal(found(`${instance}/../${basename(instance)}/proc_a.2`), undefined);
    mkdirSync(elsewhere, { recursive: true });
    assert.equal(found(elsewhere), undefined);
    const foreign = { ...systemGroupFiles, isOwn: () => false };
    assert.equal(recordedGroup({ id: "proc_a", controlGroup: path }, foreign), undefined);
  } finally {
    rmdirSync(path);
    rmdirSync(instance);
    rmSync(scratch, { recursive: true });
  }
});

test(
  "what hides completely and was left by an OpenCode that is gone is ended by the next",
  { skip },
  () =>
    withRoom(async (room) => {
      const { job, pid } = await hidden(room, "sleep 60");
      const record = room.manager.get(job.id) ?? assert.fail();
      await withRoom(async (next) => {
        next.jobs.add({ ...record });
        // As if it ran in the host before.
        await next.manager.recover(record, new Date());
        const names = next.manager.get(job.id)?.leftovers?.map(({ command }) => command);
        assert.ok(names?.includes("sleep 3600"), `${names?.join()}`);
        await eventually(() => assert.equal(isRunning(pid), false));
      });
      await room.ended(job.id);
    }),
);

test("where there is no cgroup v2, it is not writable, or not Linux, the reason is said", async () => {
  const withFiles = (files: Record<string, string>, more: Partial<GroupFiles> = {}) =>
    tryControlGroups(
      {
        ...systemGroupFiles,
        read: (file) => files[file] ?? assert.fail(`ENOENT ${file}`),
        folders: () => throwENOENT(),
        make: () => Promise.resolve(),
        remove: () => Promise.resolve(),
        ...more,
      },
      "linux",
    );
  const throwENOENT = () => {
    throw Object.assign(new Error("none"), { code: "ENOENT" });
  };
  const mount = "31 23 0:28 / /cg rw - cgroup2 cgroup2 rw\n";
  const self = "/proc/self/cgroup";
  const mounts = "/proc/self/mountinfo";
  const procs = `1\n${process.pid}\n`;
  assert.deepEqual(await tryControlGroups(systemGroupFiles, "darwin"), {
    why: "only Linux has control groups",
  });
  assert.deepEqual(await withFiles({ [self]: "4:memory:/x\n" }), {
    why: "this system has no cgroup v2",
  });
  assert.deepEqual(
    await withFiles({ [self]: "0::/a\n", [mounts]: mount, "/cg/a/cgroup.procs": procs }),
    { folder: "/cg/a" },
  );
  // A container without a name space: a part of the tree is mounted.
  const part = "31 23 0:28 /docker/1 /cg\\0401 ro - cgroup2 cgroup2 rw\n";
  assert.deepEqual(
    await withFiles({
      [self]: "0::/docker/1\n",
      [mounts]: part.replace("\\0401", ""),
      "/cg/cgroup.procs": procs,
    }),
    { folder: "/cg" },
  );
  for (const [own, where, what] of [
    ["0::/../x\n", mount, /not shown/u],
    ["0::/other\n", part, /in no cgroup v2/u],
    ["0::/docker/1\n", part, /white space: \/cg 1/u],
  ] as const) {
    const found = await withFiles({ [self]: own, [mounts]: where });
    assert.match("why" in found ? found.why : "", what);
  }
  const readOnly = await withFiles(
    { [self]: "0::/a\n", [mounts]: mount, "/cg/a/cgroup.procs": procs },
    { make: () => Promise.reject(new Error("EROFS: read-only file system, mkdir '/cg/a/x'")) },
  );
  assert.match("why" in readOnly ? readOnly.why : "", /EROFS/u);
  const withOomd = await withFiles(
    { [self]: "0::/a\n", [mounts]: mount, "/cg/a/cgroup.procs": procs },
    { folders: (folder) => (folder === "/run/systemd/oom" ? [] : throwENOENT()) },
  );
  assert.match("why" in withOomd ? withOomd.why : "", /systemd-oomd runs/u);
});

test(
  "all in a group are killed at once, but not where a process is that must live",
  { skip },
  async () => {
    const folder = join(await homeFolder(), `ocbm-kill.${process.pid}`);
    mkdirSync(folder);
    const command = 'echo 0 >"$1/cgroup.procs"; echo up; exec sleep 60';
    const child = spawn("sh", ["-c", command, "sh", folder], {
      stdio: ["ignore", "pipe", "ignore"],
    });
    const exit = once(child, "exit");
    try {
      await once(child.stdout, "data");
      const { pid = 0 } = child;
      const group = new ControlGroup(folder);
      assert.equal(await group.kill([pid]), false);
      assert.equal(isRunning(pid), true);
      // Linux before 5.14 has none.
      const isKillable = existsSync(join(folder, "cgroup.kill"));
      assert.equal(await group.kill([process.pid]), isKillable);
      if (!isKillable) child.kill("SIGKILL");
      assert.deepEqual(await exit, [null, "SIGKILL"]);
      assert.equal(new ControlGroup(folder).wasEntered(), true);
    } finally {
      child.kill("SIGKILL");
      await exit;
      await new ControlGroup(folder).remove();
    }
    assert.equal(existsSync(folder), false);
  },
);

test("after all of these nothing of ours is left", { skip }, async () => {
  const mine = new RegExp(`\\.${process.pid}\\.`, "u");
  assert.deepEqual(
    readdirSync(await homeFolder()).filter((name) => mine.test(name)),
    [],
  );
});
