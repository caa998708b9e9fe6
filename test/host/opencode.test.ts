/** Which OpenCode has loaded us: OpenCode 2 reads one clear sentence, one for a single turn is known as such. */
import assert from "node:assert/strict";
import { describe, it, test } from "node:test";
import { isOneShot, served, setup } from "../../src/host/opencode.js";

void describe("an OpenCode that ends with its turn", () => {
  for (const [words, expected] of [
    ["run do it", true],
    ["--print-logs --log-level DEBUG run do it", true],
    ["--log-level=DEBUG run do it", true],
    ["run --interactive", false],
    ["run -i", false],
    ["", false],
    ["serve --port 4096", false],
    ["--prompt=run", false],
    ["attach http://127.0.0.1:4096", false],
    ["projects/run", false],
  ] as const) {
    void it(`${expected ? "is" : "is not"} "opencode ${words}"`, () => {
      assert.equal(isOneShot(words.split(" ").filter(Boolean)), expected);
    });
  }
});

test("OpenCode 2, which knows no `server`, is told so in one sentence; OpenCode 1 nothing", () => {
  assert.throws(
    setup,
    /^Error: opencode-background-manager [\d.]+ is for OpenCode 1\.18: OpenCode 2 has/u,
  );
  served();
  setup();
});
