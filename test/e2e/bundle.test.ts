/** What the built files may not hold: they run in Node as well, and the console belongs to the terminal UI. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { describe, test } from "node:test";
import { promisify } from "node:util";
import { z } from "zod";
import { BUILT_PLUGIN } from "../../fixtures/host/index.js";

const DIST = dirname(BUILT_PLUGIN);
/** The command line has a console of its own; it must run in Node all the same. */
const COMMAND_LINE = "cli/main.js";
/**
 * The page's server, a process of its own that the command line loads: its library asks which runtime it runs in,
 * and has a console.
 */
const WEB_SERVER = "web/main.js";
/** The same as a process of OpenCode. */
const WEB_PROGRAM = "web/serve.js";
/** Loaded for the first terminal: asks whether this runtime is Bun, and says no where it is not. */
const TERMINAL = /^pseudo-terminal-/u;
/** A library, loaded for the first screen that is read, with its log switched off. */
const SCREEN = /^xterm-headless-/u;
const files = readdirSync(DIST, { recursive: true, encoding: "utf8" }).filter((name) =>
  name.endsWith(".js"),
);

const TERMINAL_PART = "tui/index.js";

describe("the built files", () => {
  for (const name of files) {
    const text = readFileSync(join(DIST, name), "utf8");
    if (name === WEB_SERVER) continue;
    test(`${name} needs nothing of Bun`, () => {
      assert.doesNotMatch(text, /["'`]bun(?::[\w/]+)?["'`]/u);
      if (!TERMINAL.test(name)) assert.doesNotMatch(text, /\bBun\b/u);
    });
    if (name === COMMAND_LINE || SCREEN.test(name)) continue;
    test(`${name} prints nothing`, () => {
      const uses = text.match(/\bprocess\s*\.\s*(?:stdout|stderr)\b/gu) ?? [];
      // The terminal part says once what ended with OpenCode, when the screen is gone.
      assert.deepEqual(uses, name === TERMINAL_PART ? ["process.stderr"] : []);
      // A word in a list of programs is none.
      assert.doesNotMatch(text, /\bconsole\b(?! ?["`])/u);
    });
  }

  test("are all that the package's entries and the first request need", () => {
    for (const entry of ["index.js", "manager.js", "tui/index.js", COMMAND_LINE, WEB_PROGRAM]) {
      assert.ok(files.includes(entry), entry);
    }
    for (const name of files) {
      for (const imported of importsOf(name)) assert.ok(files.includes(imported), imported);
    }
  });

  test("load nothing of terminals and inputs for a process without them", async () => {
    const special =
      /^(?:pseudo-terminal|xterm-headless|screen|input-wait|input-permission|sealed)-/u;
    const of = async (stdin: string) =>
      (await loadedFor(stdin)).flatMap((name) => special.exec(name)?.[0] ?? []).sort();
    assert.deepEqual(await of("closed"), []);
    // What is looked for is there, and is seen.
    for (const name of ["pseudo-terminal", "xterm-headless", "screen", "input-wait", "sealed"]) {
      assert.ok(
        files.some((file) => file.startsWith(`${name}-`)),
        name,
      );
    }
    assert.deepEqual(await of("open"), ["input-wait-"]);
    assert.deepEqual(await of("terminal"), ["pseudo-terminal-"]);
  });

  test("load the page's server in processes of its own alone", () => {
    const loading = files.filter((name) => importsOf(name).includes(WEB_SERVER));
    assert.deepEqual(loading.sort(), [COMMAND_LINE, WEB_PROGRAM]);
  });
});

/** What V8 says of the files that a program has loaded. */
const coverage = z.object({ result: z.array(z.object({ url: z.string() })) });

/** The built files that the library loads for one process with this stdin, and what else of this package's it does. */
async function loadedFor(stdin: string): Promise<string[]> {
  const folder = mkdtempSync(join(tmpdir(), "bundle-"));
  try {
    // Elsewhere, so that nothing of this repository is found.
    cpSync(DIST, join(folder, "dist"), { recursive: true });
    cpSync(join(DIST, "../package.json"), join(folder, "package.json"));
    for (const name of ["work", "state", "seen"]) mkdirSync(join(folder, name));
    const program = join(DIST, "../fixtures/programs/one-process.mjs");
    const sdk = import.meta.resolve("@opencode-ai/sdk/v2");
    const env = { ...process.env, NODE_V8_COVERAGE: join(folder, "seen") };
    const args = [program, folder, sdk, stdin];
    await promisify(execFile)(process.execPath, args, { env, timeout: 100_000 });
    const seen = readdirSync(join(folder, "seen")).map((name) =>
      coverage.parse(JSON.parse(readFileSync(join(folder, "seen", name), "utf8"))),
    );
    const urls = seen.flatMap(({ result }) => result.map(({ url }) => url));
    return urls.filter((url) => url.includes(`${folder}/dist/`)).map((url) => basename(url));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Built files that a built file names, from the top of the package's. */
function importsOf(name: string): string[] {
  const text = readFileSync(join(DIST, name), "utf8");
  const found = text.matchAll(/(?:from|import\(|import)\s*"(\.{1,2}\/[^"]+)"/gu);
  return [...found].map(([, path = ""]) => join(dirname(name), path));
}
