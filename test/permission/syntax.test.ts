import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { promisify } from "node:util";

/** In a process of its own: one that was loaded before stays. */
void test("a broken parser is an error and nothing on the console", async () => {
  const module = new URL("../../src/permission/syntax.ts", import.meta.url).href;
  const program = `
    const { loadShellParser } = await import(${JSON.stringify(module)});
    const files = { runtime: ${JSON.stringify(import.meta.filename)}, grammar: "/nowhere" };
    await loadShellParser(() => files).then(() => process.exit(1), () => process.exit(0));
  `;
  const args = ["--import", "tsx", "--input-type=module", "--eval", program];
  const { stdout, stderr } = await promisify(execFile)(process.execPath, args);
  assert.deepEqual({ stdout, stderr }, { stdout: "", stderr: "" });
});
