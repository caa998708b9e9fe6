/** What the built files may not hold: they run in Node as well, and the console belongs to the terminal UI. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, test } from "node:test";
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
      assert.doesNotMatch(text, /\bconsole\b(?!")/u);
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

  test("load the page's server in processes of its own alone", () => {
    const loading = files.filter((name) => importsOf(name).includes(WEB_SERVER));
    assert.deepEqual(loading.sort(), [COMMAND_LINE, WEB_PROGRAM]);
  });
});

/** Built files that a built file names, from the top of the package's. */
function importsOf(name: string): string[] {
  const text = readFileSync(join(DIST, name), "utf8");
  const found = text.matchAll(/(?:from|import\(|import)\s*"(\.{1,2}\/[^"]+)"/gu);
  return [...found].map(([, path = ""]) => join(dirname(name), path));
}
