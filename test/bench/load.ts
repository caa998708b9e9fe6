/**
 * How long the host waits for the built server entry, import and call of its plugin, above an empty plugin and beside
 * the published @zenobius/opencode-background. Turn about, in a fresh process each time: Node, and the Bun inside
 * OpenCode. Node's own modules are there beforehand, as they are in a host.
 *
 * Run: npm run build && node --import tsx test/bench/load.ts [runs]
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { BUILT_PLUGIN, OPENCODE_BINARY } from "../../fixtures/host/index.js";
import { median } from "./median.js";
import { fetchPublished } from "./published.js";
import { result } from "./result.js";

const RUNS = Number(process.argv[2] ?? 25);
const MOST_MS = 40;
const PEER = "@zenobius/opencode-background";

const BUILTIN = ["child_process", "crypto", "events", "fs", "os", "path", "url", "util"];

const folder = mkdtempSync(join(tmpdir(), "load-"));
const empty = join(folder, "empty.mjs");
writeFileSync(empty, "export default { id: 'empty', server: async () => ({}) };");
const program = join(folder, "time.mjs");
writeFileSync(
  program,
  `for (const name of ${JSON.stringify(BUILTIN)}) await import("node:" + name);
   const client = { _client: { request: async () => ({ data: true }) } };
   const input = { client, directory: ${JSON.stringify(folder)}, worktree: "/", project: { id: "bench" } };
   const start = performance.now();
   const module = await import(process.argv[2]);
   const plugin = module.default?.server ?? Object.values(module).find((each) => typeof each === "function");
   await plugin(input);
   console.log(performance.now() - start);`,
);

const peer = peerOf(PEER);
try {
  const runtimes: [string, string, string[]][] = [
    ["Node", process.execPath, []],
    ["OpenCode's Bun", OPENCODE_BINARY, ["run"]],
  ];
  for (const [name, binary, args] of runtimes) measure(name, (file) => load(binary, args, file));
} finally {
  rmSync(folder, { recursive: true });
  if (peer.folder) rmSync(dirname(peer.folder), { recursive: true });
}

function measure(name: string, time: (file: string) => number): void {
  const problem = peer.entry ? failureOf(() => time(peer.entry)) : peer.problem;
  const times = { bare: [] as number[], ours: [] as number[], theirs: [] as number[] };
  for (let run = 0; run < RUNS; run++) {
    times.bare.push(time(empty));
    times.ours.push(time(BUILT_PLUGIN));
    if (problem === undefined) times.theirs.push(time(peer.entry));
  }
  const bare = median(times.bare);
  const ours = median(times.ours) - bare;
  const theirs = median(times.theirs) - bare;
  const about = { bench: "load", ours, unit: "ms" };
  const note = `above an empty plugin (${bare.toFixed(1)} ms), median of ${RUNS}`;
  console.log(`${name}: ${ours.toFixed(1)} ms ${note}`);
  const goal = `at most ${MOST_MS} ms`;
  const limit = { other: MOST_MS, ratio: ours / MOST_MS, goal };
  result({ ...about, ...limit, case: `${name}, beside the limit`, note });
  if (problem !== undefined) {
    console.log(`  ${PEER} could not be measured: ${problem}`);
    return;
  }
  console.log(`  ${PEER} ${theirs.toFixed(1)} ms`);
  const beside = { other: theirs, ratio: ours / theirs };
  result({ ...about, ...beside, case: `${name}, beside ${PEER}`, note });
}

/** Milliseconds. */
function load(binary: string, args: string[], file: string): number {
  const env = { ...process.env, BUN_BE_BUN: "1", XDG_STATE_HOME: folder };
  const url = pathToFileURL(file).href;
  const printed = execFileSync(binary, [...args, program, url], {
    env,
    encoding: "utf8",
    stdio: "pipe",
  });
  return Number(printed.trim().split("\n").at(-1));
}

/** Its one file needs none of its dependencies. */
function peerOf(name: string): { folder: string; entry: string; problem?: string } {
  try {
    const unpacked = fetchPublished(name);
    return { folder: unpacked, entry: join(unpacked, "dist/index.js") };
  } catch (thrown) {
    return { folder: "", entry: "", problem: firstLine(thrown) };
  }
}

function failureOf(work: () => unknown): string | undefined {
  try {
    work();
    return undefined;
  } catch (thrown) {
    return firstLine(thrown);
  }
}

function firstLine(thrown: unknown): string {
  const text = String(thrown);
  return (
    /^\w*Error: .*$/mu.exec(text.replace(/^Error: Command failed.*$/mu, ""))?.[0] ??
    text.slice(0, 200)
  );
}
