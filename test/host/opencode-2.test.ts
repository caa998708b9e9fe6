/** What OpenCode 2 calls says one clear sentence, and nothing on a host that has called `server`. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { served, setup } from "../../src/host/opencode.js";

test("OpenCode 2, which knows no `server`, is told so in one sentence; OpenCode 1 nothing", () => {
  assert.throws(
    setup,
    /^Error: opencode-background-manager [\d.]+ is for OpenCode 1\.18: OpenCode 2 has/u,
  );
  served();
  setup();
});
