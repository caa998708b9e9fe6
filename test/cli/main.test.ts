/** The program itself, as `npx` runs it. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { describe, it } from "node:test";
import { noTerminalReason, Terminal } from "../../fixtures/tui/terminal.js";
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

void it("ends quietly when its output is read no more", async () => {
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

void describe("in a terminal of 80 columns", { skip: (await noTerminalReason()) ?? false }, () => {
  const env = { PATH: process.env["PATH"] ?? "", HOME: process.env["HOME"] ?? "" };

  async function shown(command: string, more: Record<string, string> = {}): Promise<string> {
    const root = folder();
    const { store, jobs } = makeStore({ root });
    jobs.add(processJob("proc_1", { command: "x".repeat(300) }));
    await store.flush();
    const program = `${process.execPath} --import tsx ${main}`;
    // It goes on: a dead pane loses its first lines.
    const line = `${command.replace("PROGRAM", program)} --root ${root}; echo over; read held`;
    const cwd = fileURLToPath(new URL("../../", import.meta.url));
    const size = { columns: 80, rows: 20 };
    const terminal = await Terminal.open({
      ...size,
      cwd,
      env: { ...env, ...more },
      command: ["sh", "-c", line],
    });
    try {
      await terminal.waitFor(/^over/m);
      return await terminal.colours();
    } finally {
      await terminal.end();
      await store.close();
    }
  }

  void it("ls is cut to the window, doctor has colours, and none with NO_COLOR", async () => {
    const listed = await shown("PROGRAM ls");
    assert.match(listed, /^ID +KIND[^]*^proc_1 [^\n]*…\nover/m);
    // oxlint-disable-next-line no-control-regex -- colours are what it looks for
    const colours = /\u001b\[3[123]m/;
    assert.match(await shown("PROGRAM doctor"), colours);
    const plain = await shown("PROGRAM doctor", { NO_COLOR: "1" });
    assert.match(plain, /State folder/);
    assert.doesNotMatch(plain, colours);
  });

  void it("a pipe gets the whole line", async () => {
    const root = folder();
    const { store, jobs } = makeStore({ root });
    jobs.add(processJob("proc_1", { name: "long", command: "x".repeat(70) }));
    await store.flush();
    const { out } = await call("ls", "--root", root);
    assert.match(out, /x{70}$/m);
    await store.close();
  });
});
