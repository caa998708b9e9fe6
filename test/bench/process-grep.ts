/** (d) Searching a full log of 8 MiB: `read` in mode grep, and `grep` itself on the same text. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { openOutput } from "../../src/output/reader.js";
import type { Result } from "./result.js";
import { inOpenCodesBun, openBench, pairs, runtime, show, timed } from "./process-support.js";

const LINE = "2026-11-21T10:00:00.000Z INFO  [vite] transformed src/components/Table";

await inOpenCodesBun(import.meta.filename, async () => {
  const bench = openBench();
  const id = await bench.run(`seq 200000 | sed 's|^|${LINE}|'`);
  const reader = openOutput(join(bench.folder, "output", `${id}.log`));
  const parts: Buffer[] = [];
  for (const { frame } of reader?.pieces() ?? []) if (frame) parts.push(frame.data);
  reader?.close();
  const plain = join(bench.folder, "plain");
  writeFileSync(plain, Buffer.concat(parts));
  const note = `over ${Buffer.concat(parts).length} bytes, ${runtime()}`;
  const rows: Result[] = [];
  for (const pattern of ["Table\\d*77$", "no such text"]) {
    const ours = () => timed(() => bench.manager.read(id, { mode: "grep", pattern }));
    const theirs = () => timed(() => grep(pattern, plain));
    const pair = await pairs(9, ours, theirs);
    const named = { bench: "process-grep", case: `${JSON.stringify(pattern)}: ours / grep -P` };
    rows.push(show("cost", { ...named, pair, note }));
  }
  await bench.close();
  return rows;
});

async function grep(pattern: string, file: string): Promise<void> {
  const child = spawn("grep", ["-bP", pattern, file], { stdio: ["ignore", "pipe", "ignore"] });
  child.stdout.resume();
  await once(child, "close");
}
