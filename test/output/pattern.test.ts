/** How patterns are read: case, literals with flags, paths. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { checkPattern, parsePattern } from "../../src/output/pattern.js";
import { Output } from "./outputs.js";

for (const [pattern, source, flags] of [
  ["listening|ready", "listening|ready", "i"],
  ["(?i)Ready", "Ready", "i"],
  ["/Error/", "Error", ""],
  ["/error/i", "error", "i"],
  ["/^a.b$/su", "^a.b$", "su"],
  ["/a\\/b/", "a\\/b", ""],
  ["/srv/s", "/srv/s", "i"],
  ["/srv/app/s", "/srv/app/s", "i"],
  ["/usr/x", "/usr/x", "i"],
  ["/a/ii", "/a/ii", "i"],
  ["//", "//", "i"],
] as const) {
  test(`${pattern} is read as ${source} with the flags "${flags}"`, () => {
    checkPattern("pattern", pattern);
    assert.deepEqual(parsePattern(pattern), { source, flags });
  });
}

test("case is ignored unless the pattern is written as a literal", async () => {
  const output = new Output().out("Listening on 3000\nerror\nError\n/srv/s\n");
  const count = async (pattern: string) => (await output.read({ pattern })).matches;
  assert.equal(await count("listening|ready"), 1);
  assert.equal(await count("ERROR"), 2);
  assert.equal(await count("/Error/"), 1);
  assert.equal(await count("/srv/s"), 1);
});
