// Each way of installing that README names, by its own lines: the terminal draws the sidebar (the terminal part) for a
// process that the model has started (the server part). The package comes from a registry on loopback that has the
// packed file under its name.
import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { z } from "zod";
import { OPENCODE_BINARY, PACKAGE_ROOT } from "../../fixtures/host/index.js";
import { hostConfig, writeConfig } from "../../fixtures/host/config.js";
import { environment, makeFolders, remove, type Folders } from "../../fixtures/host/folders.js";
import { kill, MARKER, survivorsAfter } from "../../fixtures/host/survivors.js";
import { fillConfig } from "../../fixtures/host/warm-config.js";
import { ScriptedModel, text, toolCall } from "../../fixtures/model/index.js";
import { Registry } from "../../fixtures/tui/registry.js";
import { Terminal } from "../../fixtures/tui/terminal.js";
import { BUILT_TUI } from "../../fixtures/tui/tui.js";
import { PACKAGE, VERSION } from "../../src/version.js";
import { LIMIT as options, skip } from "./use-terminal.js";

const packed = z.tuple([z.object({ filename: z.string() })]);
/** Not synchronous: the registry must answer meanwhile. */
const run = promisify(execFile);

/** The part of README on installing, as it stands there. */
const INSTALL = /^## Install\n([^]*?)^## /mu;
/** Its commands for a shell, without comments, and its configuration by hand. */
const COMMANDS = /^```sh\n([^]*?)^```/gmu;
const BY_HAND = /`("plugin": \[[^`]*\])`/u;

const readme = await readFile(join(PACKAGE_ROOT, "README.md"), "utf8");
const [, install = ""] = INSTALL.exec(readme) ?? [];
const lines = [...install.matchAll(COMMANDS)]
  .flatMap(([, block = ""]) => block.split("\n"))
  .map((line) => line.replace(/ +#.*$/u, ""))
  .filter((line) => line !== "");

interface Way {
  /** README's own lines; a test holds them against it. */
  lines: readonly string[];
  /** Where the configuration is written. */
  into: "project" | "user";
}

const WAYS: Record<string, Way> = {
  "from npm, for one project": { lines: [`opencode plugin ${PACKAGE}`], into: "project" },
  "from npm, for all projects": { lines: [`opencode plugin -g ${PACKAGE}`], into: "user" },
  "from source": { lines: [`opencode plugin /path/to/${PACKAGE}`], into: "project" },
  "from a packed file": {
    lines: [`tar -xzf ${PACKAGE}-${VERSION}.tgz -C /path/to`, "opencode plugin /path/to/package"],
    into: "project",
  },
};

void test("README's lines for installing are those that are played here", () => {
  // CI does the first one in a clean clone before it runs the tests; the package is packed below.
  const before = ["npm install && npm run build", "npm pack"];
  const played = Object.values(WAYS).flatMap((way) => way.lines);
  assert.deepEqual(lines.toSorted(), [...before, ...played].toSorted());
  assert.match(BY_HAND.exec(install)?.[1] ?? "", /"plugin": \["opencode-background-manager"\]/);
});

void test("the terminal part names the host's libraries as the host looks for them", async () => {
  const built = await readFile(BUILT_TUI, "utf8");
  // The host puts its own libraries in by a pattern over the text: `from"solid-js"`, which a minifier
  // writes, is not found, and the part would run with another copy of Solid, or not at all.
  assert.match(built, /from "solid-js"/);
  assert.match(built, /from "@opentui\/solid"/);
  assert.doesNotMatch(built, /from"(?:solid-js|@opentui)/);
});

void describe("the package is installed", { skip }, () => {
  const place = mkdtempSync(join(tmpdir(), "obm-packed-"));
  let registry: Registry | undefined;
  let model: ScriptedModel | undefined;

  before(async () => {
    const pack = ["pack", "--json", "--ignore-scripts", "--pack-destination", place];
    const { stdout } = await run("npm", pack, { cwd: PACKAGE_ROOT });
    const [{ filename }] = packed.parse(JSON.parse(stdout));
    const tarball = await readFile(join(place, filename));
    registry = await Registry.start({ name: PACKAGE, version: VERSION, tarball });
    model = await ScriptedModel.start();
    const command = { command: "sleep 1000", name: "installed" };
    model.scriptEvery("start it", [toolCall("createBackgroundProcess", command), text("Started.")]);
    // The lines call it by its name.
    await mkdir(join(place, "bin"));
    await symlink(OPENCODE_BINARY, join(place, "bin", "opencode"));
  }, options);
  after(async () => {
    await registry?.close();
    await model?.close();
    rmSync(place, { recursive: true, force: true });
  }, options);

  /** Installs by `how`, then a new user's first job: both parts must be there. */
  async function play(
    how: (folders: Folders, sh: (line: string) => Promise<void>) => Promise<void>,
  ) {
    assert.ok(model && registry);
    const folders = await makeFolders({});
    const marker = randomUUID();
    const { PATH = "", ...rest } = environment(folders);
    const env = {
      ...rest,
      PATH: `${join(place, "bin")}:${PATH}`,
      npm_config_registry: registry.url,
      [MARKER]: marker,
    };
    let terminal: Terminal | undefined;
    try {
      await fillConfig(await writeConfig(folders.config, hostConfig(model.url, [])));
      // What the host would install there by itself, from the registry.
      await fillConfig(join(folders.project, ".opencode"));
      await how(folders, async (said) => {
        const meant = said
          .replace(`/path/to/${PACKAGE}`, PACKAGE_ROOT)
          .replace(`${PACKAGE}-${VERSION}.tgz`, join(place, `${PACKAGE}-${VERSION}.tgz`))
          .replace("/path/to", folders.scratch);
        await run("sh", ["-c", meant], { cwd: folders.project, env });
      });
      const program = { cwd: folders.project, env, command: ["opencode"] };
      terminal = await Terminal.open({ columns: 160, rows: 45, ...program });
      await terminal.waitFor(/ctrl\+p/);
      await terminal.type("start it");
      await terminal.waitFor(/start it/);
      await terminal.press("Enter");
      await terminal.waitFor(/Background ●1 *\n.*● installed/);
    } finally {
      await terminal?.end();
      // As long as OpenCode is there it writes into its folders.
      const left = await survivorsAfter(marker, 15_000);
      kill(left);
      await remove(folders);
      assert.deepEqual(left, []);
    }
  }

  for (const [name, way] of Object.entries(WAYS)) {
    test(name, options, () =>
      play(async (folders, sh) => {
        for (const each of way.lines) await sh(each);
        const project = join(folders.project, ".opencode");
        const user = join(folders.config, "opencode");
        for (const file of ["opencode.json", "tui.json"]) {
          const written = join(way.into === "project" ? project : user, file);
          assert.match(await readFile(written, "utf8"), /"plugin": \[/);
          if (way.into === "user") assert.ok(!existsSync(join(project, file)));
        }
      }),
    );
  }

  test("by hand, in both files", options, () =>
    play(async ({ project }) => {
      for (const file of ["opencode.json", "tui.json"]) {
        await writeFile(join(project, file), `{ ${BY_HAND.exec(install)?.[1] ?? ""} }`);
      }
    }),
  );
});
