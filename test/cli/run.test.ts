/** The command line on stored state: usage, what is wrong, what runs, what may go. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { z } from "zod";
import { COMMAND_NAMES, readArguments } from "../../src/cli/arguments.js";
import { foundBy } from "../../src/cli/doctor.js";
import { clean } from "../../src/cli/clean.js";
import { survey } from "../../src/cli/survey.js";
import { systemTerminal } from "../../src/cli/terminal.js";
import { diskFiles, type StoreFiles } from "../../src/store/files.js";
import { harmless } from "../../src/text.js";
import { cells } from "../../src/cells.js";
import { call, machine, owner, realProcess } from "./support.js";
import { useFolders } from "../fakes/folders.js";
import { FakeClock } from "../fakes/clock.js";
import { NOW } from "../store/support.js";
import { age } from "../store/dead-owner.js";
import { ended, noticeOf, processJob, subagent } from "../store/records.js";

const folder = useFolders();

void describe("usage", () => {
  for (const args of [
    [],
    ["bogus"],
    ["show"],
    ["kill"],
    ["stats", "extra"],
    ["show", "bg_1", "extra"],
    ["doctor", "--bogus"],
    ["doctor", "--root"],
    ["ls", "--follow"],
    ["logs", "proc_1", "-n", "some"],
    ["completion", "tcsh"],
  ]) {
    void it(`"${args.join(" ")}" is wrong: exit code 2, one line on standard error that names the help`, async () => {
      const { code, out, err } = await call(args);
      assert.equal(code, 2);
      assert.equal(out, "");
      assert.match(
        err,
        /^opencode-background-manager: .+; see opencode-background-manager .*--help\n$/,
      );
    });
  }

  void it("shows help and version", async () => {
    for (const args of [["help"], ["--help"], ["doctor", "-h"]]) {
      const { code, out } = await call(args);
      assert.equal(code, 0);
      assert.match(out, /Usage:/);
    }
    assert.match((await call(["--version"])).out, /^\d+\.\d+\.\d+\n$/);
  });

  void it("has a help of its own for each command", async () => {
    const { out: all } = await call(["--help"]);
    assert.ok(COMMAND_NAMES.length >= 10);
    for (const command of COMMAND_NAMES) {
      assert.match(all, new RegExp(`^  ${command} `, "m"));
      for (const args of [
        [command, "--help"],
        ["help", command],
      ]) {
        const { code, out } = await call(args);
        assert.equal(code, 0);
        assert.match(out, new RegExp(`^Usage: opencode-background-manager ${command} `));
        assert.match(out, /--json/);
      }
    }
    const { out } = await call(["logs", "-h"]);
    for (const option of [/-f, --follow/, /-n, --lines N/, /-g, --grep TEXT/]) {
      assert.match(out, option);
    }
  });

  void it("takes a day, as a time without a zone, for one of the user's own place", (t) => {
    const { TZ: before } = process.env;
    t.after(() => {
      if (before === undefined) delete process.env["TZ"];
      else process.env["TZ"] = before;
    });
    process.env["TZ"] = "Pacific/Auckland";
    const since = (text: string) => readArguments(["logs", "x", "--since", text], 0).since;
    assert.equal(since("2026-11-21T00:00"), Date.UTC(2026, 10, 20, 11));
    assert.equal(since("2026-11-21"), Date.UTC(2026, 10, 20, 11));
    assert.equal(since("2026-11-21T10:00Z"), Date.UTC(2026, 10, 21, 10));
  });

  void it("finds the state folder by XDG_STATE_HOME", async () => {
    const state = folder();
    const root = join(state, "opencode", "background");
    const one = await owner(1, root, subagent("bg_1"));
    const { out } = await call(["ls"], { env: { XDG_STATE_HOME: state } });
    assert.match(out, /bg_1/);
    await one.store.close();
  });
});

void describe("doctor", () => {
  void it("says how processes are found, and why there are no control groups", () => {
    const where = foundBy({ folder: "/sys/fs/cgroup/a" }, "linux");
    assert.match(where, /control groups of their own \(in \/sys\/fs\/cgroup\/a\), environ/u);
    const without = foundBy({ why: "no cgroup v2" }, "linux");
    assert.match(without, /^their environment, .*; no control groups: no cgroup v2$/u);
    assert.match(foundBy({ why: "" }, "darwin"), /^their group and their parents; /u);
    assert.match(foundBy({ why: "" }, "win32"), /taskkill/u);
  });

  void it("is content with a living owner and with a dead one whose jobs are to be settled", async () => {
    const root = folder();
    const one = await owner(1, root, subagent("bg_1"));
    const two = await owner(2, root, subagent("bg_2"), processJob("proc_2"));
    two.notices.push(noticeOf(subagent("bg_2")));
    two.store.markDirty();
    await two.store.flush();
    const { code, out } = await call(["doctor", "--root", root]);
    assert.equal(code, 0, out);
    assert.match(out, /OpenCode 1: running, 1 live and 0 ended jobs, 0 unread notices/);
    assert.match(out, /OpenCode 2: gone, 2 live and 0 ended jobs, 1 unread notice, saved/);
    assert.match(out, /proc_2 interrupted/);
    assert.match(out, /All is well/);
    assert.match(
      out,
      /Owed by an OpenCode that is gone:\n {2}\/project: 1 notice and the end of 2 jobs\n {4}opencode -s ses_\w+\n/,
    );
    assert.match(out, /Start OpenCode in that directory/);
    assert.ok(!out.includes("\u001b"));
    const report = await call(["doctor", "--root", root, "--json"]);
    const { owed } = z
      .object({ owed: z.array(z.object({ directory: z.string(), jobs: z.number() })) })
      .parse(JSON.parse(report.out));
    assert.deepEqual(owed, [{ directory: "/project", jobs: 2 }]);
    await Promise.all([one.store.close(), two.store.close()]);
  });

  void it("names an orphan, with exit code 1 and the command that ends it", async () => {
    const root = folder();
    const { job } = realProcess("proc_1");
    const gone = await owner(2, root, job);
    const { code, out } = await call(["doctor", "--root", root]);
    assert.equal(code, 1);
    assert.match(out, /opencode-background-manager kill proc_1/);
    const asJSON = await call(["doctor", "--root", root, "--json"]);
    assert.equal(asJSON.code, 1);
    const report = z
      .object({ ok: z.boolean(), orphans: z.array(z.string()) })
      .parse(JSON.parse(asJSON.out));
    assert.deepEqual(report, { ok: false, orphans: ["proc_1"] });
    await gone.store.close();
  });

  void it("names broken files, with exit code 1", async () => {
    const root = folder();
    mkdirSync(join(root, "project", "x"), { recursive: true });
    writeFileSync(join(root, "project", "x", "jobs.json"), "broken");
    const { code, out } = await call(["doctor", "--root", root]);
    assert.equal(code, 1);
    assert.match(out, /Broken or set aside: 2/);
  });

  void it("refuses a folder that is not there, or cannot be read, and is content without one", async () => {
    const none = join(folder(), "nope");
    for (const command of ["doctor", "ls", "clean"]) {
      const { code, out, err } = await call([command, "--root", none]);
      assert.equal(code, 1);
      assert.equal(out, "");
      assert.match(err, /--root: expected an existing folder, got .*nope/);
    }
    const state = folder();
    mkdirSync(join(state, "opencode"));
    assert.equal((await call(["doctor"], { env: { XDG_STATE_HOME: state } })).code, 0);
    // Something that is no folder stands in its place.
    writeFileSync(join(state, "opencode", "background"), "");
    for (const command of ["doctor", "ls"]) {
      const { code, err } = await call([command], { env: { XDG_STATE_HOME: state } });
      assert.equal(code, 1);
      assert.match(err, /the state folder cannot be read: ENOTDIR/);
    }
  });

  void it("names folders that cannot be written, with exit code 1; ls warns", async () => {
    const root = folder();
    const one = await owner(1, root, subagent("bg_1"));
    const gone = await owner(2, root, subagent("bg_2"));
    const whyUnwritable = (path: string) =>
      path === one.store.folder ? "EACCES: permission denied" : undefined;
    const { code, out } = await call(["doctor", "--root", root], { whyUnwritable });
    assert.equal(code, 1);
    assert.match(out, /Not writable for this user: 1/);
    assert.ok(out.includes(`${one.store.folder}: EACCES`));
    assert.doesNotMatch(out, /All is well/);
    const report = await call(["doctor", "--root", root, "--json"], { whyUnwritable });
    assert.match(report.out, /"ok": false/);
    const listed = await call(["ls", "--root", root], { whyUnwritable });
    assert.equal(listed.code, 0);
    assert.match(listed.err, /cannot be written \(EACCES/);
    await Promise.all([one.store.close(), gone.store.close()]);
  });

  void it("says that OpenCode uses no link in place of its state folder", async () => {
    const root = join(folder(), "background");
    symlinkSync(folder(), root);
    const { code, out } = await call(["doctor", "--root", root]);
    assert.equal(code, 1);
    assert.ok(out.includes(`${root} is a symbolic link`), out);
    assert.doesNotMatch(out, /All is well/);
  });

  void it("asks the system whether a folder can be written", async () => {
    const state = folder();
    // Under a file nothing can be made, for any user.
    writeFileSync(join(state, "file"), "");
    const { code, err } = await call(["doctor"], { env: { XDG_STATE_HOME: join(state, "file") } });
    assert.equal(code, 1);
    assert.match(err, /ENOTDIR/);
  });

  void it("counts the time of what was interrupted to the last sign of life", async () => {
    const root = folder();
    const gone = await owner(2, root, subagent("bg_2"));
    // Begun at 10:00, written at 11:02, looked at at 12:00.
    age(gone.store.folder, new FakeClock(NOW), 58 * 60_000);
    assert.match((await call(["ls", "--root", root])).out, /interrupted +- +1 h 2 min/);
    assert.match((await call(["doctor", "--root", root])).out, /bg_2 interrupted 1 h 2 min/);
    await gone.store.close();
  });

  void it("counts the time of a process from the start of its latest run, in every list", async () => {
    const root = folder();
    // Created at 10:00, run again at 11:50, looked at at 12:00.
    const startedAt = new Date(NOW - 10 * 60_000);
    const one = await owner(1, root, processJob("proc_1", { startedAt, run: 2 }));
    assert.match((await call(["ls", "--root", root])).out, /running +- +10 min/);
    assert.match((await call(["doctor", "--root", root])).out, /proc_1 .*\b10 min/);
    assert.match((await call(["show", "proc_1", "--root", root])).out, /\b10 min$/m);
    await one.store.close();
  });

  void it("shows colours on a terminal and nowhere else", async () => {
    const terminal = (isTTY: boolean, env: NodeJS.ProcessEnv) => {
      const stream = Object.assign(Object.create(process.stdout), { isTTY });
      return systemTerminal({ stdout: stream, stderr: stream }, env).colour;
    };
    assert.equal(terminal(true, {}), true);
    assert.equal(terminal(false, {}), false);
    assert.equal(terminal(true, { NO_COLOR: "1" }), false);
    assert.equal(terminal(true, { TERM: "dumb" }), false);
    const out: string[] = [];
    const write = (text: string) => void out.push(text);
    await call(["doctor", "--root", folder()], {
      terminal: { write, complain: write, colour: true, columns: undefined },
    });
    assert.ok(out.join("").includes("\u001b[32m"));
  });
});

void describe("ls and show", () => {
  void it("list what runs, with --all what ended, with --project one project's", async () => {
    const root = folder();
    const at = new Date("2026-11-21T10:30:00.000Z");
    const one = await owner(1, root, subagent("bg_1"), ended(subagent("bg_2"), at));
    const ids = async (...args: string[]) => {
      const { out } = await call(["ls", "--json", "--root", root, ...args]);
      return z
        .array(z.object({ id: z.string() }))
        .parse(JSON.parse(out))
        .map(({ id }) => id);
    };
    assert.deepEqual(await ids(), ["bg_1"]);
    assert.deepEqual(await ids("--all"), ["bg_1", "bg_2"]);
    assert.deepEqual(await ids("--all", "--project", "other"), []);
    assert.equal((await call(["ls", "-aq", "--root", root])).out, "bg_1\nbg_2\n");
    const { code, out } = await call(["ls", "-a", "--root", root]);
    assert.equal(code, 0);
    assert.match(
      out,
      /^ID +KIND +STATUS +EXIT +TIME +OPENCODE +DIRECTORY +WHAT\nbg_1 +task +running +- +2 h +1 +\/project +task bg_1 \(explore\)\n/,
    );
    assert.match(out, /bg_2 +task +completed +- +30 min /);
    await one.store.close();
  });

  void it("list by time, the newest last, whichever owner has them, and only those that are named", async () => {
    const root = folder();
    const at = (minute: number) => ({ createdAt: new Date(Date.UTC(2026, 10, 21, 10, minute)) });
    const end = { status: "completed", completedAt: new Date("2026-11-21T10:30:00.000Z") } as const;
    const one = await owner(
      1,
      root,
      processJob("proc_third00000", { name: "dev server", ...at(3) }),
      processJob("proc_first00000", { name: "old server", ...at(1), ...end }),
    );
    const two = await owner(2, root, subagent("bg_second0000", at(2)));
    const ids = async (...args: string[]) =>
      (await call(["ls", "-q", "--root", root, ...args])).out.trimEnd().split("\n");
    assert.deepEqual(await ids("-a"), ["proc_first00000", "bg_second0000", "proc_third00000"]);
    assert.deepEqual(await ids("dev", "second"), ["bg_second0000", "proc_third00000"]);
    // An ended one is shown when it is named; of two that fit the one that runs.
    assert.deepEqual(await ids("old"), ["proc_first00000"]);
    assert.deepEqual(await ids("server"), ["proc_third00000"]);
    const { code, err } = await call(["ls", "none such", "--root", root]);
    assert.equal(code, 1);
    assert.match(err, /there is no job none such/);
    await Promise.all([one.store.close(), two.store.close()]);
  });

  void it("show one job in full, and exit 1 for an unknown one", async () => {
    const root = folder();
    const one = await owner(1, root, processJob("proc_1"));
    const { code, out } = await call(["show", "proc_1", "--root", root]);
    assert.equal(code, 0);
    assert.match(out, /command +npm run dev/);
    assert.match(out, /created +2026-11-21 \d\d:\d\d:00\n/);
    assert.match(out, /file +\S+proc_1\.log/);
    const raw = await call(["show", "proc_1", "--json", "--root", root]);
    assert.match(raw.out, /"createdAt": "2026-11-21T10:00:00.000Z"/);
    const none = await call(["show", "proc_9", "--root", root]);
    assert.equal(none.code, 1);
    assert.match(none.err, /no job proc_9/);
    await one.store.close();
  });

  void it("has the exit code, and why it ended in words", async () => {
    const root = folder();
    const at = new Date("2026-11-21T10:30:00.000Z");
    const end = { status: "failed", completedAt: at } as const;
    const one = await owner(
      1,
      root,
      processJob("proc_1", { ...end, exitCode: 7, endReason: "error" }),
      processJob("proc_2", { ...end, signal: "SIGKILL", endReason: "timeout" }),
      processJob("proc_3", { ...end, status: "cancelled", endReason: "cancelled_by_user" }),
    );
    const { out } = await call(["ls", "-a", "--root", root]);
    assert.match(out, /proc_1 +process +failed +7 /);
    assert.match(out, /proc_2 +process +failed \(timeout\) +SIGKILL /);
    assert.match(out, /proc_3 +process +cancelled \(by you\) +- /);
    assert.match((await call(["show", "proc_1", "--root", root])).out, /^exit +7$/m);
    await one.store.close();
  });

  void it("fits the window, and is not cut in a pipe", async () => {
    const root = folder();
    const command = `node ${"x".repeat(60)} ${"查".repeat(40)}`;
    const one = await owner(1, root, processJob("proc_1", { command, name: "serve" }));
    const out: string[] = [];
    const write = (text: string) => void out.push(text);
    const terminal = { write, complain: write, colour: false };
    for (const columns of [70, 80, 100, 140]) {
      out.length = 0;
      await call(["ls", "--root", root], { terminal: { ...terminal, columns } });
      const lines = out.join("").trimEnd().split("\n");
      assert.equal(lines.length, 2);
      for (const line of lines) assert.ok(cells(line) <= columns, line);
      assert.match(lines[1] ?? "", /serve: node x+.*…$/);
      // In a narrow window what a job is says more than where it is.
      assert.equal(lines[0]?.includes("DIRECTORY"), columns > 70, lines[0]);
      assert.equal(lines[0]?.includes("OPENCODE"), columns > 80, lines[0]);
    }
    assert.match((await call(["ls", "--root", root])).out, /serve: node x{60}/);
    await one.store.close();
  });

  void it("takes an id, a name or a part that only one job has; a running one is preferred", async () => {
    const root = folder();
    const at = new Date("2026-11-21T10:30:00.000Z");
    const old = { status: "completed", completedAt: at } as const;
    const one = await owner(
      1,
      root,
      processJob("proc_abcdefghij", { name: "dev server" }),
      processJob("proc_abcxyzwvut", { name: "dev server", ...old }),
      processJob("proc_abcd222222", { name: "tests", ...old }),
    );
    const shown = async (what: string) => {
      const { out, err } = await call(["show", what, "--root", root]);
      return /^id +(\S+)$/m.exec(out)?.[1] ?? err;
    };
    assert.equal(await shown("proc_abcdefghij"), "proc_abcdefghij");
    assert.equal(await shown("dev server"), "proc_abcdefghij");
    assert.equal(await shown("server"), "proc_abcdefghij");
    assert.equal(await shown("xyz"), "proc_abcxyzwvut");
    assert.equal(await shown("tests"), "proc_abcd222222");
    // Only one of the three lives.
    assert.equal(await shown("proc_abc"), "proc_abcdefghij");
    assert.match(await shown("2"), /proc_abcd222222/);
    const more = await owner(3, root, processJob("proc_abcd333333", { name: "tests" }));
    const three = await owner(4, root, processJob("proc_abcd444444", { name: "tests" }));
    assert.match(await shown("tests"), /"tests" may be any of proc_abcd333333, proc_abcd444444/);
    assert.match(await shown("none such"), /there is no job none such/);
    await Promise.all([one.store.close(), more.store.close(), three.store.close()]);
  });

  void it("never print what a terminal would obey or no person would see", async () => {
    const root = folder();
    const evil =
      "\u001b]0;title\u0007\u001b[31mred\u009b2J\nline two\r\u202egnp.\u2066\u200b\u00ad\u2028\u{e0041}";
    const one = await owner(
      1,
      root,
      processJob("proc_1", { name: evil, command: evil, error: evil }),
    );
    for (const args of [["ls"], ["show", "proc_1"], ["doctor"]]) {
      const { out } = await call([...args, "--root", root]);
      // oxlint-disable-next-line no-control-regex -- these are what it looks for
      assert.doesNotMatch(out, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
      assert.doesNotMatch(out, /[\u200b\u2028\u202e\u2066\u00ad\u{e0041}]/u);
      assert.match(out, /red/);
    }
    for (const args of [["ls"], ["show", "proc_1"]]) {
      const { out } = await call([...args, "--json", "--root", root]);
      const seen = out.replaceAll("\n", "");
      assert.equal(seen, harmless(seen));
      const parsed: unknown = JSON.parse(out);
      const record = Array.isArray(parsed) ? parsed[0] : parsed;
      assert.equal(z.object({ name: z.string() }).parse(record).name, evil);
    }
    await one.store.close();
  });
});

void describe("clean", () => {
  void it("lists, and with --yes removes, the folders of dead owners to whom nothing is owed", async () => {
    const root = folder();
    const at = new Date("2026-11-21T10:30:00.000Z");
    const done = ended(subagent("bg_1"), at);
    const alive = await owner(1, root, done);
    const owed = await owner(2, root, done);
    owed.notices.push(noticeOf(done));
    owed.store.markDirty();
    await owed.store.flush();
    const unsettled = await owner(3, root, subagent("bg_2"));
    const free = await owner(4, root, done);
    mkdirSync(join(root, "project", "ownerless"));
    const newer = await owner(5, root);
    mkdirSync(newer.store.folder, { recursive: true });
    const before = readdirSync(join(root, "project")).length;

    const listed = await call(["clean", "--root", root]);
    assert.equal(listed.code, 0);
    assert.match(listed.out, new RegExp(`would remove ${free.store.folder}\n`));
    assert.equal(listed.out.match(/would remove/g)?.length, 1);
    assert.equal(readdirSync(join(root, "project")).length, before);

    const { code, out } = await call(["clean", "--yes", "--root", root]);
    assert.equal(code, 0, out);
    assert.equal(existsSync(free.store.folder), false);
    for (const kept of [alive, owed, unsettled]) assert.ok(existsSync(kept.store.folder));
    assert.deepEqual(readdirSync(root), ["project"], "nothing is left of the removal");
    assert.match((await call(["clean", "--root", root])).out, /Nothing to remove/);
    await Promise.all([alive, owed, unsettled, free, newer].map(({ store }) => store.close()));
  });

  void it("does not say of a folder that it was removed when it could not be, nor when it was claimed", async () => {
    const root = folder();
    const done = ended(subagent("bg_1"), new Date("2026-11-21T10:30:00.000Z"));
    const owners = await Promise.all([2, 3, 4].map((pid) => owner(pid, root, done)));
    const [kept, claimed, free] = owners.map(({ store }) => store.folder);
    assert.ok(kept && claimed && free);
    const files: StoreFiles = {
      ...diskFiles,
      rename(from, to) {
        if (from === kept) throw new Error("no right to rename it");
        if (from === claimed) rmSync(from, { recursive: true });
        diskFiles.rename(from, to);
      },
    };
    const said: string[] = [];
    const terminal = {
      write: (text: string) => void said.push(text),
      complain: (text: string) => void said.push(text),
      colour: false,
      columns: undefined,
    };
    const found = await survey(root, undefined, machine);
    const isDone = await clean(found, { yes: true, json: false, jobs: [] }, terminal, files);
    assert.equal(isDone, false);
    assert.deepEqual(said, [`removed ${free}\n`, `not removed ${kept}: no right to rename it\n`]);
    await Promise.all(owners.map(({ store }) => store.close()));
  });
});
