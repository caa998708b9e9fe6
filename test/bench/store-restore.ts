/**
 * How long reading a state of 10,000 records takes, beside JSON.parse of the same text (goal: at most 3 times).
 * Rounds of both alternate, so that a busy machine slows both; the medians are compared.
 *
 *     node --import tsx test/bench/store-restore.ts
 *     BUN_BE_BUN=1 node_modules/.bin/opencode run test/bench/store-restore.ts
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { job } from "../../src/jobs/job.js";
import { readStateFile, formatState } from "../../src/store/state-file.js";
import { median } from "./median.js";
import { result } from "./result.js";
import { ended, noticeOf, processJob, subagent } from "../store/records.js";

const RECORDS = 10_000;
const ROUNDS = 25;
const GOAL = 3;

const savedAt = new Date();
const jobs = Array.from({ length: RECORDS }, (_, number) =>
  number % 2
    ? ended(subagent(`bg_${number}`), savedAt)
    : processJob(`proc_${number}`, { status: "completed", completedAt: savedAt, exitCode: 0 }),
);
const folder = mkdtempSync(join(tmpdir(), "ocbm-bench-"));
const path = join(folder, "jobs.json");
writeFileSync(
  path,
  formatState({
    savedAt,
    jobs,
    notices: jobs.slice(0, 100).map((each) => noticeOf(each)),
    adopted: [],
  }),
);
const text = readFileSync(path, "utf8");

const parses: number[] = [];
const restores: number[] = [];
for (let round = 0; round < ROUNDS; round += 1) {
  // The first restore is the one that a start makes: it is not warmed up by a parse before it.
  let start = performance.now();
  const reading = await readStateFile(path);
  restores.push(performance.now() - start);
  if (reading.kind !== "read" || reading.jobs.length !== RECORDS) throw new Error(reading.kind);
  start = performance.now();
  JSON.parse(text);
  parses.push(performance.now() - start);
}
const start = performance.now();
for (const record of JSON.parse(text).jobs) job.parse(record);
const zodAlone = performance.now() - start;
rmSync(folder, { recursive: true });

const ratio = median(restores) / median(parses);
const show = (milliseconds: number | undefined): string => `${milliseconds?.toFixed(1)} ms`;
console.log(
  `${process.versions["bun"] ? "Bun" : "Node"} ${process.versions["bun"] ?? process.version}`,
);
console.log(`${RECORDS} records, ${(text.length / 1024 ** 2).toFixed(1)} MiB, ${ROUNDS} rounds`);
console.log(
  `JSON.parse ${show(median(parses))}, restore ${show(median(restores))}: ${ratio.toFixed(2)} times`,
);
console.log(
  `first: JSON.parse ${show(parses[0])}, restore ${show(restores[0])}; with zod alone ${show(zodAlone)}`,
);
result({
  bench: "store-restore",
  case: `${RECORDS} records, beside JSON.parse of the same text`,
  ours: median(restores),
  other: median(parses),
  unit: "ms",
  ratio,
  goal: `at most ${GOAL}`,
  note: `${process.versions["bun"] ? "Bun" : "Node"}, median of ${ROUNDS}`,
});
