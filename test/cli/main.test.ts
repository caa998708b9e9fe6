/** The program itself, as `npx` runs it. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { it } from "node:test";
import { useFolders } from "../fakes/folders.js";
import { processJob } from "../store/records.js";
import { makeStore } from "../store/support.js";

const folder = useFolders();
const main = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));

function start(...args: string[]) {
  return spawn(process.execPath, ["--import", "tsx", main, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
  });
}

async function call(...args: string[]) {
  const child = start(...args);
  const [out, err, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, "exit"),
  ]);
  return { code: Number(code), out, err };
}

void it("ends with 0, 1 or 2", async () => {
  const root = folder();
  const [well, missing, wrong] = await Promise.all([
    call("doctor", "--root", root),
    call("show", "proc_none", "--root", root),
    call("bogus"),
  ]);
  assert.deepEqual([well.code, missing.code, wrong.code], [0, 1, 2]);
  assert.match(well.out, /All is well/);
  assert.match(missing.err, /there is no job proc_none/);
});

void it("ends quietly when nobody reads any more", async () => {
  const root = folder();
  const { store, jobs } = makeStore({ root });
  for (let number = 0; number < 3000; number += 1) jobs.add(processJob(`proc_${number}`));
  await store.flush();
  const child = start("ls", "--root", root);
  child.stdout.once("data", () => child.stdout.destroy());
  const [err, [code, signal]] = await Promise.all([text(child.stderr), once(child, "exit")]);
  assert.deepEqual([code, signal, err], [0, null, ""]);
  await store.close();
});
