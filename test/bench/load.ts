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
import { z } from "zod";
import { median } from "./median.js";
import { fetchPublished } from "./published.js";
import { result } from "./result.js";

const RUNS = Number(process.argv[2] ?? 25);
const MOST_MS = 40;
const PEER = "@zenobius/opencode-background";

const BUILTIN = ["child_process", "crypto", "events", "fs", "os", "path", "url", "util"];

/** Milliseconds that passed, and that the process had of the processor: on a busy machine these count. */
const timesOf = z.object({ wall: z.number(), cpu: z.number() });
type Times = z.infer<typeof timesOf>;

const folder = mkdtempSync(join(tmpdir(), "load-"));
const empty = join(folder, "empty.mjs");
writeFileSync(empty, "export default { id: 'empty', server: async () => ({}) };");
const program = join(folder, "time.mjs");
writeFileSync(
  program,
  `for (const name of ${JSON.stringify(BUILTIN)}) await import("node:" + name);
   const client = { _client: { request: async () => ({ data: true }) } };
   const input = { client, directory: ${JSON.stringify(folder)}, worktree: "/", project: { id: "bench" } };
   const [start, before] = [performance.now(), process.cpuUsage()];
   const module = await import(process.argv[2]);
   const plugin = module.default?.server ?? Object.values(module).find((each) => typeof each === "function");
   await plugin(input);
   const { user, system } = process.cpuUsage(before);
   console.log(JSON.stringify({ wall: performance.now() - start, cpu: (user + system) / 1_000 }));
   process.exit(0);`,
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

function measure(name: string, time: (file: string) => Times): void {
  const problem = peer.entry ? failureOf(() => time(peer.entry)) : peer.problem;
  const times = { bare: [] as Times[], ours: [] as Times[], theirs: [] as Times[] };
  for (let run = 0; run < RUNS; run++) {
    times.bare.push(time(empty));
    times.ours.push(time(BUILT_PLUGIN));
    if (problem === undefined) times.theirs.push(time(peer.entry));
  }
  const wall = (some: Times[]) => median(some.map((each) => each.wall));
  const bareCpu = median(times.bare.map((each) => each.cpu));
  const cpu = (some: Times[]) => median(some.map((each) => each.cpu)) - bareCpu;
  const bare = wall(times.bare);
  const ours = wall(times.ours) - bare;
  const theirs = wall(times.theirs) - bare;
  const about = { bench: "load", ours, unit: "ms" };
  const of = `median of ${RUNS}, of the processor ${cpu(times.ours).toFixed(1)} ms`;
  const note = `above an empty plugin (${bare.toFixed(1)} ms), ${of}`;
  console.log(`${name}: ${ours.toFixed(1)} ms ${note}`);
  const goal = `at most ${MOST_MS} ms`;
  const limit = { other: MOST_MS, ratio: ours / MOST_MS, goal };
  result({ ...about, ...limit, case: `${name}, beside the limit`, note });
  if (problem !== undefined) {
    console.log(`  ${PEER} could not be measured: ${problem}`);
    return;
  }
  console.log(
    `  ${PEER} ${theirs.toFixed(1)} ms, of the processor ${cpu(times.theirs).toFixed(1)} ms`,
  );
  const beside = { other: theirs, ratio: ours / theirs };
  result({ ...about, ...beside, case: `${name}, beside ${PEER}`, note });
}

/** Milliseconds. */
function load(binary: string, args: string[], file: string): Times {
  const env = { ...process.env, BUN_BE_BUN: "1", XDG_STATE_HOME: folder };
  const url = pathToFileURL(file).href;
  const printed = execFileSync(binary, [...args, program, url], {
    env,
    encoding: "utf8",
    stdio: "pipe",
  });
  return timesOf.parse(JSON.parse(printed.trim().split("\n").at(-1) ?? ""));
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
