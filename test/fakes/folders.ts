// Owns: scratch folders of a test file. Promises: none is left after the test that asked for it.
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach } from "node:test";

/** Gives scratch folders and removes them after each test of the file that calls this. */
export function useFolders(): () => string {
  const made: string[] = [];
  afterEach(() => {
    for (const folder of made.splice(0)) {
      rmSync(folder, { recursive: true, force: true });
      assert.throws(() => readdirSync(folder), { code: "ENOENT" });
    }
  });
  return () => {
    const folder = mkdtempSync(join(tmpdir(), "ocbm-"));
    made.push(folder);
    return folder;
  };
}
