/**
 * How long the built server entry takes to import, beside an empty plugin, turn about, in a fresh process each
 * time: Node, and the Bun inside OpenCode. Prints medians and the difference (goal: at most 40 ms).
 *
 * Run: npm run build && node --import tsx test/bench/load.ts [runs]
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { BUILT_PLUGIN, OPENCODE_BINARY } from "../../fixtures/host/index.js";
import { median } from "./median.js";

const RUNS = Number(process.argv[2] ?? 15);
const folder = mkdtempSync(join(tmpdir(), "load-"));
const empty = join(folder, "empty.mjs");
writeFileSync(empty, "export default { id: 'empty', server: async () => ({}) };");

try {
  const runtimes: [string, string, string[]][] = [
    ["Node", process.execPath, []],
    ["OpenCode's Bun", OPENCODE_BINARY, ["run"]],
  ];
  for (const [name, binary, args] of runtimes) {
    const ours: number[] = [];
    const bare: number[] = [];
    for (let run = 0; run < RUNS; run++) {
      bare.push(importTime(binary, args, empty));
      ours.push(importTime(binary, args, BUILT_PLUGIN));
    }
    const [a, b] = [median(ours), median(bare)];
    console.log(
      `${name}: import ${a.toFixed(1)} ms, an empty plugin ${b.toFixed(1)} ms, difference ${(a - b).toFixed(1)} ms (median of ${RUNS})`,
    );
  }
} finally {
  rmSync(folder, { recursive: true });
}

function importTime(binary: string, args: string[], file: string): number {
  const program = join(folder, "time.mjs");
  const url = pathToFileURL(file).href;
  writeFileSync(
    program,
    `const start = performance.now(); await import(${JSON.stringify(url)}); console.log(performance.now() - start);`,
  );
  const env = { ...process.env, BUN_BE_BUN: "1" };
  return Number(execFileSync(binary, [...args, program], { env, encoding: "utf8" }));
}
