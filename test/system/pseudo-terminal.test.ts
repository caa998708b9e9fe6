/** A command in a pseudo-terminal: in OpenCode's own Bun for real, in Node the refusal and the adapter. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { OPENCODE_BINARY } from "../../fixtures/host/paths.js";
import { findTerminal } from "../../src/system/pseudo-terminal.js";

const PROGRAM = fileURLToPath(new URL("../../fixtures/programs/terminal-host.ts", import.meta.url));
const run = promisify(execFile);

void describe("a pseudo-terminal", () => {
  void it("of OpenCode's Bun: size, input, echo, session, exit code, end of output", async () => {
    const { stdout } = await run(OPENCODE_BINARY, [PROGRAM], {
      env: { ...process.env, BUN_BE_BUN: "1" },
    });
    const { output, order, ...seen }: { output: string; order: string[] } = JSON.parse(stdout);
    assert.match(output, /^\/dev\/pts\/\d+\r\n40 120\r\nname\? Ada\r\nhello Ada\r\n/u);
    assert.match(output, /password: \r\nlength 6\r\n$/u);
    assert.deepEqual(order.toSorted(), ["close", "exit"]);
    assert.deepEqual(seen, {
      exit: { code: 7, signal: null },
      echoes: ["on", "off"],
      leadsSession: true,
    });
  });

  void it("in Node without node-pty is refused, and both ways are named", async () => {
    const runtime = {
      bun: undefined,
      loadNodePty: () => Promise.reject(new Error("Cannot find package 'node-pty'")),
    };
    await assert.rejects(findTerminal(runtime), {
      name: "UserError",
      message: /^stdin: .*OpenCode itself .*node-pty.*stdin: "open"$/u,
    });
  });

  void it("in Node with node-pty tells output, then the exit, then the end", async () => {
    const told: unknown[] = [];
    let onData: (data: Uint8Array) => void = () => undefined;
    let onExit: (exit: { exitCode: number; signal?: number }) => void = () => undefined;
    const written: string[] = [];
    const pty = {
      spawn: (file: string, args: string[], options: object) => {
        told.push(["spawn", file, args, options]);
        return {
          pid: 42,
          write: (text: string) => written.push(text),
          kill: (signal: string) => told.push(["kill", signal]),
          onData: (listener: typeof onData) => (onData = listener),
          onExit: (listener: typeof onExit) => (onExit = listener),
        };
      },
    };
    const start = await findTerminal({ bun: undefined, loadNodePty: () => Promise.resolve(pty) });
    const child = start(
      { file: "/bin/sh", args: ["-c", "x"], cwd: "/tmp", env: { A: "1" } },
      {
        onOutput: (data) => told.push(data.toString()),
        onExit: (exit) => told.push(exit),
        onClose: () => told.push("close"),
      },
    );
    child.write("y\r");
    onData(Buffer.from("out"));
    child.close();
    child.close();
    onExit({ exitCode: 0, signal: 15 });
    assert.equal(child.pid, 42);
    assert.equal(child.echo, undefined);
    assert.deepEqual(written, ["y\r"]);
    const size = { cols: 120, rows: 40 };
    const options = {
      name: "xterm-256color",
      ...size,
      cwd: "/tmp",
      env: { A: "1" },
      encoding: null,
    };
    assert.deepEqual(told, [
      ["spawn", "/bin/sh", ["-c", "x"], options],
      "out",
      ["kill", "SIGHUP"],
      { code: null, signal: "SIGTERM" },
      "close",
    ]);
  });
});
