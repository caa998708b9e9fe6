import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isOneShot } from "../../src/host/opencode.js";

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
