/** The ways of each system, and that nothing but their module knows a system by its name. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { waysOf } from "../src/platform.js";

const SOURCE = join(import.meta.dirname, "../src");

void describe("an operating system", () => {
  for (const [name, processes, yes] of [
    ["linux", "/proc", ["hasProcessGroups", "hasPosixShell", "hasLocalNames"]],
    ["android", "/proc", ["hasProcessGroups", "hasPosixShell", "hasLocalNames"]],
    ["darwin", "ps", ["hasProcessGroups", "hasPosixShell", "foldsCase"]],
    ["freebsd", "ps", ["hasProcessGroups", "hasPosixShell", "hasLocalNames"]],
    ["win32", "cim", ["foldsCase", "locksOpenFiles", "hasLocalNames"]],
  ] as const) {
    void it(`${name}: ${processes}, ${yes.join(", ")}`, () => {
      const { processes: source, ...can } = waysOf(name);
      assert.equal(source, processes);
      const ways = Object.entries(can).flatMap(([way, has]) => (has === true ? [way] : []));
      assert.deepEqual(ways, yes);
    });
  }

  void it("is asked for its name in one place", () => {
    const files = readdirSync(SOURCE, { recursive: true }).map(String);
    const naming = files.filter(
      (file) =>
        file.endsWith(".ts") &&
        /"(?:win32|darwin|linux)"/u.test(readFileSync(join(SOURCE, file), "utf8")),
    );
    assert.deepEqual(naming, []);
    assert.match(readFileSync(join(SOURCE, "platform.ts"), "utf8"), /\bwin32:/u);
  });
});
