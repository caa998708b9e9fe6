/** The library entry as a program of its own uses it: a real OpenCode without the plugin, the SDK's client, no more. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, describe, test } from "node:test";
import { promisify } from "node:util";
import { PACKAGE_ROOT } from "../../fixtures/host/index.js";
import { gate, text, toolCall } from "../../fixtures/model/index.js";
import { openBackground } from "../../src/manager.js";
import { PACKAGE } from "../../src/version.js";
import { noticeTo } from "./support.js";
import { useHost } from "./use-host.js";

const run = promisify(execFile);

describe("the library", () => {
  const bed = useHost({ plugins: [] });
  const stateFolder = mkdtempSync(join(tmpdir(), "library-"));
  after(() => rmSync(stateFolder, { recursive: true }));

  bed.test("tells an idle session what became of what was started for it", async () => {
    const { host, model } = bed;
    const { client } = host;
    const parent = await host.createSession({ title: "idle since before the library was opened" });
    const parentSessionID = parent.id;
    model.scriptSession(parent.id, [text("hello"), text("noted"), text("noted, too")]);
    await host.run(parent.id, "hello");

    const directory = host.project;
    const background = openBackground({ client, directory, stateFolder });
    const { tasks, processes } = background;
    const { stream } = await client.event.subscribe();
    const listening = (async () => {
      for await (const event of stream) background.handleEvent(event);
    })();
    try {
      model.script("research it", [[gate("launched"), text("the answer")]]);
      const prompt = "research it";
      const { task } = await tasks.launch({
        description: "Research",
        prompt,
        agent: "general",
        parentSessionID,
      });
      assert.equal(task.status, "running");
      model.open("launched");
      await tasks.wait(task.id, 60_000);
      const ended = tasks.getTask(task.id) ?? assert.fail();
      assert.equal(ended.status, "completed");
      assert.equal((await tasks.result(ended)).text, "the answer");
      assert.match(await noticeTo(bed, parent.id, /Research/u), /^\| the answer$/mu);

      const sessions = { parentSessionID, rootSessionID: parentSessionID };
      const command = "echo printed; exit 3";
      const { job } = await processes.create({ command, cwd: directory, ...sessions });
      assert.match(await noticeTo(bed, parent.id, /exit code: 3/u), /^\| printed$/mu);
      assert.equal((await processes.read(job.id)).text, "printed");
    } finally {
      await background.dispose();
      await stream.return(undefined);
      await listening;
    }
  });

  bed.test("is told what happens in the worktree of a subagent, too", async () => {
    const { host, model } = bed;
    const { client, project: directory } = host;
    const parent = await host.createSession({ title: "with a worktree" });
    model.scriptSession(parent.id, [{ forever: text("noted") }]);
    await host.run(parent.id, "hello");
    model.script("write it apart", [
      toolCall("bash", { command: "echo apart > apart.txt", description: "write" }),
      text("written"),
    ]);
    const background = openBackground({ client, directory, stateFolder });
    const { stream } = await client.global.event();
    const seen = new Set<string>();
    const listening = (async () => {
      for await (const { directory: of, payload } of stream) {
        if (!background.covers(of)) continue;
        seen.add(of);
        background.handleEvent(payload);
      }
    })();
    try {
      assert.equal(background.covers(stateFolder), false);
      const { task } = await background.tasks.launch({
        description: "Apart",
        prompt: "write it apart",
        agent: "general",
        parentSessionID: parent.id,
        worktree: true,
      });
      await background.tasks.wait(task.id, 60_000);
      const ended = background.tasks.getTask(task.id) ?? assert.fail();
      // Read off its events: without them nothing had been counted yet.
      assert.equal(ended.progress.toolCalls, 1);
      const folder = ended.worktree?.folder ?? assert.fail();
      assert.ok(seen.has(folder) && background.covers(folder));
      assert.match(await noticeTo(bed, parent.id, /Apart/u), /^1 commit, 1 file changed/mu);
    } finally {
      await background.dispose();
      await stream.return(undefined);
      await listening;
    }
  });

  bed.test("works as README's program shows", async () => {
    const { host, model } = bed;
    const readme = readFileSync(join(PACKAGE_ROOT, "README.md"), "utf8");
    const [, program = ""] = /^```js\n([^]*?openBackground[^]*?)^```/mu.exec(readme) ?? [];
    const shown = ["http://127.0.0.1:4096", "/tmp/jobs"];
    assert.deepEqual(
      shown.map((each) => program.split(each).length),
      [2, 2],
    );
    const [address = "", state = ""] = shown;
    writeFileSync(
      join(host.project, "program.mjs"),
      program.replace(address, host.url).replace(state, stateFolder),
    );
    const modules = join(host.folders.scratch, "node_modules");
    mkdirSync(join(modules, "@opencode-ai"), { recursive: true });
    const sdk = join("@opencode-ai", "sdk");
    symlinkSync(join(PACKAGE_ROOT, "node_modules", sdk), join(modules, sdk));
    symlinkSync(PACKAGE_ROOT, join(modules, PACKAGE));
    model.script("in one word what this project is", [text("Groceries.")]);
    model.script("Automatic event", [{ forever: text("noted") }]);
    const { stdout } = await run(process.execPath, ["program.mjs"], { cwd: host.project });
    assert.equal(stdout, "Groceries.\n");
  });
});

/** It is built at its installation, for which npm would fetch what Node's own headers have. */
async function installNodePty(folder: string): Promise<string | undefined> {
  const headers = join(dirname(dirname(realpathSync(process.execPath))), "include/node");
  const more = existsSync(headers) ? [`--nodedir=${dirname(dirname(headers))}`] : [];
  const allowScripts = { "node-pty": true };
  writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true, allowScripts }));
  const args = [
    "install",
    "--no-audit",
    "--no-fund",
    "--prefer-offline",
    ...more,
    "node-pty@1.1.0",
  ];
  try {
    await run("npm", args, { cwd: folder });
    return undefined;
  } catch (thrown) {
    console.error(thrown);
    return "node-pty cannot be installed here: it needs npm's registry, a compiler and Node's headers";
  }
}

test("a terminal in plain Node, by node-pty", { timeout: 300_000 }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "library-pty-"));
  try {
    const missing = await installNodePty(folder);
    if (missing !== undefined) {
      t.skip(missing);
      return;
    }
    // A copy: what it imports is looked for beside it.
    const installed = join(folder, "node_modules", PACKAGE);
    for (const part of ["dist", "package.json"]) {
      cpSync(join(PACKAGE_ROOT, part), join(installed, part), { recursive: true });
    }
    const program = join(folder, "program.mjs");
    cpSync(join(PACKAGE_ROOT, "fixtures/programs/node-terminal.mjs"), program);
    for (const name of ["work", "state"]) mkdirSync(join(folder, name));
    const sdk = import.meta.resolve("@opencode-ai/sdk/v2");
    const args = [program, join(folder, "work"), join(folder, "state"), sdk];
    const { stdout } = await run(process.execPath, args, { cwd: folder, timeout: 200_000 });
    assert.deepEqual(JSON.parse(stdout), {
      talk: { matched: true, exitCode: 7, leads: true },
      interrupted: "SIGINT",
      long: { bytes: 128_929, screen: ["      here", "the last words"] },
      killed: [["killed", 0]],
      asks: ["input", "Ok to proceed? (y)"],
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
});
