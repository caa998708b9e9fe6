/** Where the terminal part is looked for, and what doctor says when it is not there. */
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { test } from "node:test";
import { isConfigured } from "../src/terminal-part.js";
import { call, owner } from "./cli/support.js";
import { useFolders } from "./fakes/folders.js";
import { subagent } from "./store/records.js";

const folder = useFolders();
const root = fileURLToPath(new URL("../", import.meta.url));

function place() {
  const home = folder();
  const env = { HOME: home, XDG_CONFIG_HOME: join(home, "config") };
  const project = join(home, "work", "project");
  const write = (file: string, plugin: unknown) => {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, `// a comment\n${JSON.stringify({ plugin })}`);
  };
  return { home, env, project, write };
}

test("it is found wherever OpenCode reads a tui.json, under its name or its folder", () => {
  const named = ["opencode-background-manager@0.1.0"];
  for (const [file, plugin] of [
    ["config/opencode/tui.json", named],
    ["config/opencode/tui.jsonc", named],
    ["work/project/tui.json", named],
    ["work/project/.opencode/tui.json", [["opencode-background-manager", { key: false }]]],
    ["work/.opencode/tui.json", [root]],
    [".opencode/tui.json", [pathToFileURL(join(root, "dist", "tui", "index.js")).href]],
  ] as const) {
    const { home, env, project, write } = place();
    assert.equal(isConfigured("terminal", project, env), false);
    write(join(home, file), plugin);
    assert.equal(isConfigured("terminal", project, env), true, file);
    assert.equal(isConfigured("server", project, env), false);
  }
});

test("another plugin, another file and another project are not it", () => {
  const { home, env, project, write } = place();
  write(join(project, "tui.json"), ["some-plugin", "file:///some/where"]);
  write(join(home, "elsewhere", "tui.json"), ["opencode-background-manager"]);
  write(join(project, "opencode.json"), ["opencode-background-manager"]);
  assert.equal(isConfigured("terminal", project, env), false);
  assert.equal(isConfigured("server", project, env), true);
  const given = { ...env, OPENCODE_TUI_CONFIG: join(home, "elsewhere", "tui.json") };
  assert.equal(isConfigured("terminal", project, given), true);
});

test("a file that cannot be read may name it", () => {
  const { env, project } = place();
  mkdirSync(join(project, "tui.json"), { recursive: true });
  assert.equal(isConfigured("terminal", project, env), true);
});

test("doctor names the directories where jobs are not shown, and what to add", async () => {
  const { home, env, project, write } = place();
  write(join(project, "opencode.json"), ["opencode-background-manager"]);
  const state = join(home, "state");
  const made = await owner(1, state, subagent("bg_1"));
  const doctor = async (...args: string[]) =>
    (await call(["doctor", "--root", state, ...args], { env, cwd: project })).out;
  const text = await doctor();
  assert.ok(text.includes(`not shown in the terminal there:`), text);
  assert.ok(text.includes(`  ${project}\n`), text);
  assert.match(text, /run "opencode plugin opencode-background-manager", or add/);
  assert.match(text, /All is well/);
  assert.ok((await doctor("--json")).includes(project));
  write(join(home, "config", "opencode", "tui.json"), ["opencode-background-manager"]);
  assert.doesNotMatch(await doctor(), /not shown/);
  await made.store.close();
});
