/** The command line on stored state: usage, what is wrong, what runs, what may go. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { z } from "zod";
import { systemTerminal } from "../../src/cli/terminal.js";
import { call, owner, realProcess } from "./support.js";
import { useFolders } from "../fakes/folders.js";
import { ended, noticeOf, processJob, subagent } from "../store/records.js";

const folder = useFolders();

void describe("usage", () => {
  for (const args of [
    [],
    ["bogus"],
    ["show"],
    ["kill"],
    ["ls", "extra"],
    ["show", "bg_1", "extra"],
    ["doctor", "--bogus"],
    ["doctor", "--root"],
  ]) {
    void it(`"${args.join(" ")}" is wrong: exit code 2, the usage on standard error`, async () => {
      const { code, out, err } = await call(args);
      assert.equal(code, 2);
      assert.equal(out, "");
      assert.match(err, /Usage:/);
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
    assert.match(out, /OpenCode 2: gone, 2 live and 0 ended jobs, 1 unread notices/);
    assert.match(out, /proc_2 interrupted/);
    assert.match(out, /All is well/);
    assert.ok(!out.includes("\u001b"));
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
      terminal: { write, complain: write, colour: true },
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
    const { code, out } = await call(["ls", "-a", "--root", root]);
    assert.equal(code, 0);
    assert.match(
      out,
      /^ID +STATUS +TIME +OPENCODE +DIRECTORY +WHAT\nbg_1 +running +2 h +1 +\/project +explore: task bg_1\n/,
    );
    assert.match(out, /bg_2 +completed +30 min /);
    await one.store.close();
  });

  void it("show one job in full, and exit 1 for an unknown one", async () => {
    const root = folder();
    const one = await owner(1, root, processJob("proc_1"));
    const { code, out } = await call(["show", "proc_1", "--root", root]);
    assert.equal(code, 0);
    assert.match(out, /command +npm run dev/);
    assert.match(out, /createdAt +2026-11-21T10:00:00.000Z/);
    assert.match(out, /outputFile +\S+proc_1\.log/);
    const none = await call(["show", "proc_9", "--root", root]);
    assert.equal(none.code, 1);
    assert.match(none.err, /no job proc_9/);
    await one.store.close();
  });

  void it("never print what a terminal would obey", async () => {
    const root = folder();
    const evil = "\u001b]0;title\u0007\u001b[31mred\u009b2J\nline two\r";
    const one = await owner(
      1,
      root,
      processJob("proc_1", { name: evil, command: evil, error: evil }),
    );
    for (const args of [["ls"], ["show", "proc_1"], ["doctor"]]) {
      const { out } = await call([...args, "--root", root]);
      // oxlint-disable-next-line no-control-regex -- these are what it looks for
      assert.doesNotMatch(out, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
      assert.match(out, /red/);
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
});
