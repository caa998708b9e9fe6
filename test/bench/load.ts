/**
 * How long the host waits for the built server entry, import and call of its plugin, above an empty plugin and beside
 * the published plugins for background processes. Turn about, in a fresh process each time: Node, and the Bun inside
 * OpenCode. Node's own modules are there beforehand, as they are in a host.
 *
 * Run: npm run build && node --import tsx test/bench/load.ts [runs]
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { BUILT_PLUGIN, OPENCODE_BINARY } from "../../fixtures/host/index.js";
import { z } from "zod";
import { median } from "./median.js";
import { fetchPublished, type Published } from "./published.js";
import { result, unmeasured } from "./result.js";

const RUNS = Number(process.argv[2] ?? 25);
const MOST_MS = 40;
const PEERS = ["@zenobius", "@mbanucu", "@rsaulo"].map((owner) => `${owner}/opencode-background`);

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

const peers = new Map<string, Published>();
try {
  for (const name of PEERS) {
    const problem = failureOf(() => peers.set(name, fetchPublished(name)));
    if (problem !== undefined) unmeasured("load", name, problem);
  }
  const runtimes: [string, string, string[]][] = [
    ["Node", process.execPath, []],
    ["OpenCode's Bun", OPENCODE_BINARY, ["run"]],
  ];
  for (const [name, binary, args] of runtimes) measure(name, (file) => load(binary, args, file));
} finally {
  rmSync(folder, { recursive: true });
  for (const { remove } of peers.values()) remove();
}

function measure(runtime: string, time: (file: string) => Times): void {
  const entries = new Map([
    ["bare", empty],
    ["ours", BUILT_PLUGIN],
  ]);
  for (const [name, { entry, bare }] of peers) {
    const problem = failureOf(() => time(entry));
    if (problem === undefined) entries.set(name, entry);
    else unmeasured("load", `${runtime}, beside ${name}`, [problem, bare ?? []].flat().join("; "));
  }
  const times = new Map<string, Times[]>();
  for (let run = 0; run < RUNS; run++) {
    for (const [name, file] of entries) times.set(name, [...(times.get(name) ?? []), time(file)]);
  }
  const of = (name: string, what: keyof Times) =>
    median((times.get(name) ?? []).map((each) => each[what]));
  const above = (name: string, what: keyof Times) => of(name, what) - of("bare", what);
  const ours = above("ours", "wall");
  const processor = `of the processor ${above("ours", "cpu").toFixed(1)} ms`;
  const note = `above an empty plugin (${of("bare", "wall").toFixed(1)} ms), median of ${RUNS}, ${processor}`;
  console.log(`${runtime}: ${ours.toFixed(1)} ms ${note}`);
  const about = { bench: "load", ours, unit: "ms", note };
  const limit = { other: MOST_MS, ratio: ours / MOST_MS, goal: `at most ${MOST_MS} ms` };
  result({ ...about, ...limit, case: `${runtime}, beside the limit` });
  for (const name of peers.keys()) {
    if (!entries.has(name)) continue;
    const other = above(name, "wall");
    console.log(
      `  ${name} ${other.toFixed(1)} ms, of the processor ${above(name, "cpu").toFixed(1)} ms`,
    );
    result({ ...about, other, ratio: ours / other, case: `${runtime}, beside ${name}` });
  }
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

function failureOf(work: () => unknown): string | undefined {
  try {
    work();
    return undefined;
  } catch (thrown) {
    return firstLine(thrown);
  }
}

/** Without the command that failed and where its files are. */
function firstLine(thrown: unknown): string {
  const text = String(thrown).replace(/^Error: Command failed.*$/mu, "");
  const [line = text.trim().slice(0, 200)] =
    /^(?:\w*Error(?: \[\w+\])?|error): .*$/mu.exec(text) ?? [];
  return line.replaceAll(/\S*published-\S*/gu, "…");
}
