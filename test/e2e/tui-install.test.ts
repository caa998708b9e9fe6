// The package as it is published, installed by its one line into a clean project: the terminal draws the
// sidebar (the terminal part) for a process that the model has started (the server part).
import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { z } from "zod";
import { OPENCODE_BINARY, PACKAGE_ROOT } from "../../fixtures/host/index.js";
import { hostConfig, writeConfig } from "../../fixtures/host/config.js";
import { environment, makeFolders, remove } from "../../fixtures/host/folders.js";
import { kill, MARKER, survivorsAfter } from "../../fixtures/host/survivors.js";
import { fillConfig } from "../../fixtures/host/warm-config.js";
import { ScriptedModel, text, toolCall } from "../../fixtures/model/index.js";
import { Registry } from "../../fixtures/tui/registry.js";
import { Terminal } from "../../fixtures/tui/terminal.js";
import { BUILT_TUI } from "../../fixtures/tui/tui.js";
import { LIMIT as options, skip } from "./use-terminal.js";

const packed = z.tuple([z.object({ name: z.string(), version: z.string(), filename: z.string() })]);

void describe("the packed package", { skip }, () => {
  const folder = mkdtempSync(join(tmpdir(), "obm-packed-"));
  after(() => rmSync(folder, { recursive: true, force: true }));

  test("names the host's libraries as the host looks for them", async () => {
    const built = await readFile(BUILT_TUI, "utf8");
    // The host puts its own libraries in by a pattern over the text: `from"solid-js"`, which a minifier
    // writes, is not found, and the part would run with another copy of Solid, or not at all.
    assert.match(built, /from "solid-js"/);
    assert.match(built, /from "@opentui\/solid"/);
    assert.doesNotMatch(built, /from"(?:solid-js|@opentui)/);
  });

  test("is installed with one line, both parts of it", options, async () => {
    // Not synchronous: the registry must answer meanwhile.
    const run = promisify(execFile);
    const pack = ["pack", "--json", "--pack-destination", folder];
    const { stdout } = await run("npm", pack, { cwd: PACKAGE_ROOT });
    const [{ name, version, filename }] = packed.parse(
      JSON.parse(stdout.slice(stdout.indexOf("["))),
    );

    const model = await ScriptedModel.start();
    const command = { command: "sleep 1000", name: "from a tarball" };
    model.script("start it", [toolCall("createBackgroundProcess", command), text("Started.")]);
    const folders = await makeFolders({});
    const tarball = await readFile(join(folder, filename));
    const registry = await Registry.start({ name, version, tarball });
    const marker = randomUUID();
    let terminal: Terminal | undefined;
    try {
      await fillConfig(await writeConfig(folders.config, hostConfig(model.url, [])));
      const local = join(folders.project, ".opencode");
      // What the host would install there by itself, from the registry.
      await fillConfig(local);
      const env = { ...environment(folders), npm_config_registry: registry.url };
      // The line of the README; the registry that it asks has nothing but the tarball.
      await run(OPENCODE_BINARY, ["plugin", name], { cwd: folders.project, env });
      for (const file of ["opencode.json", "tui.json"]) {
        assert.match(await readFile(join(local, file), "utf8"), /opencode-background-manager/);
      }

      const size = { columns: 160, rows: 45 };
      const marked = { ...env, [MARKER]: marker };
      const program = { cwd: folders.project, env: marked, command: [OPENCODE_BINARY] };
      terminal = await Terminal.open({ ...size, ...program });
      await terminal.waitFor(/ctrl\+p/);
      await terminal.type("start it");
      await terminal.waitFor(/start it/);
      await terminal.press("Enter");
      await terminal.waitFor(/Background ●1 *\n.*● from a tarball/);
    } finally {
      await terminal?.end();
      // As long as OpenCode is there it writes into its folders.
      const left = await survivorsAfter(marker, 15_000);
      kill(left);
      await registry.close();
      await model.close();
      await remove(folders);
      assert.deepEqual(left, []);
    }
  });
});
