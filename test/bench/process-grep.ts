/** (d) Searching a full log of 8 MiB: `read` in mode grep, and `grep` itself on the same text. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { openOutput } from "../../src/process/output-reader.js";
import { openBench, pairs, runtime, show, timed } from "./process-support.js";

const bench = openBench();
const line = "2026-11-21T10:00:00.000Z INFO  [vite] transformed src/components/Table";
const id = await bench.run(`i=0; seq 200000 | sed 's|^|${line}|'`);
const reader = openOutput(join(bench.folder, "output", `${id}.log`));
const parts: Buffer[] = [];
for (const { frame } of reader?.pieces() ?? []) if (frame) parts.push(frame.data);
reader?.close();
const plain = join(bench.folder, "plain");
writeFileSync(plain, Buffer.concat(parts));

console.log(`grep over ${Buffer.concat(parts).length} bytes, ${runtime()}`);
for (const pattern of ["Table\\d*77$", "no such text"]) {
  const ours = () => timed(() => bench.manager.read(id, { mode: "grep", pattern }));
  const theirs = () =>
    timed(async () => {
      const child = spawn("grep", ["-bP", pattern, plain], { stdio: ["ignore", "pipe", "ignore"] });
      child.stdout.resume();
      await once(child, "close");
    });
  show(`grep ${JSON.stringify(pattern)}: ours / grep -P`, await pairs(9, ours, theirs), "none");
}
await bench.close();
