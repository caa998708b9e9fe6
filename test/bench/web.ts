/**
 * The page under load: 200 jobs, one of them a process that prints 50 MB a second. The owner (store and process
 * manager), the server and the browser are processes of their own, as they are in use. In turn, in one run: the page
 * scrolls its log while that process prints and while it is stopped (SIGSTOP); the owner's event loop with the
 * connections of ten pages and with none.
 *
 * Run: node --import tsx test/bench/web.ts (Linux; Chromium in CHROMIUM or /usr/bin/chromium)
 */
import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { chromium, type Page } from "playwright-core";
import { PACKAGE_ROOT } from "../../fixtures/host/index.js";
import { JobRegistry } from "../../src/jobs/registry.js";
import { parseOptions } from "../../src/options.js";
import { silentLog, systemClock, type Clock } from "../../src/ports.js";
import { BackgroundProcessManager } from "../../src/process/manager.js";
import { systemProcesses } from "../../src/store/owner.js";
import { JobStore } from "../../src/store/store.js";
import { serveWeb } from "../../src/web/main.js";
import { processJob } from "../store/records.js";
import { RETENTION } from "../store/support.js";
import { median } from "./median.js";
import { runtime } from "./process-support.js";
import { result, unmeasured } from "./result.js";

const CHROMIUM = process.env["CHROMIUM"] ?? "/usr/bin/chromium";
const JOBS = 200;
const PAGES = 10;
const ROUNDS = 3;
const ROUND_MS = 3_000;

/** Prints 50 MB a second; what the reader does not take in time is made up for. */
const PRINTS = `
const line = "2026-11-21T10:00:00.000Z INFO transformed src/components/Table.tsx in 12 ms\\n";
const piece = Buffer.from(line.repeat(Math.ceil(1e6 / line.length)));
let credit = 0;
let since = performance.now();
(function go() {
  const now = performance.now();
  credit = Math.min(credit + (now - since) * 50_000, 50e6);
  since = now;
  if (credit < piece.length) return setTimeout(go, 10);
  credit -= piece.length;
  process.stdout.write(piece, go);
})();`;

/** Runs in the page: scrolls the log up and down, a step with each frame; frames a second. */
const SCROLL = `new Promise((resolve) => {
  const lines = document.querySelector(".lines");
  const begin = performance.now();
  let count = 0;
  let step = 60;
  requestAnimationFrame(function next() {
    const passed = performance.now() - begin;
    if (passed >= ${ROUND_MS}) return resolve((count * 1000) / passed);
    count += 1;
    if (lines.scrollTop < 100) step = 60;
    else if (lines.scrollTop > 100000) step = -60;
    lines.scrollTop += step;
    requestAnimationFrame(next);
  });
})`;

/** Keeps this process awake, which the plugin's own never does. */
const clock: Clock = {
  ...systemClock,
  after(milliseconds, callback) {
    const timer = setTimeout(callback, milliseconds);
    return { cancel: () => clearTimeout(timer) };
  },
};

const [part, root = ""] = process.argv.slice(2);
if (part === "owner") await own(root);
else if (part === "server") await serve(root);
else await bench();

/** Says the fast job's id and pid, then to each line of stdin the delay of the event loop since the last one. */
async function own(folder: string): Promise<void> {
  const jobs = new JobRegistry(silentLog);
  const store = new JobStore({
    root: folder,
    projectID: "project",
    directory: "/project",
    clock,
    log: silentLog,
    jobs,
    notices: () => [],
    retention: { ...RETENTION, keepDays: 1_000 },
    processes: systemProcesses,
  });
  const manager = new BackgroundProcessManager({
    jobs,
    clock,
    log: silentLog,
    options: parseOptions({ maxProcesses: 1_000 }).options,
    outputFolder: () => store.outputFolder(),
    announce: () => undefined,
  });
  for (let n = 1; n < JOBS; n += 1) jobs.add(processJob(`proc_${n}`, { name: `job ${n}` }));
  const command = `exec "${process.execPath}" -e '${PRINTS}'`;
  const { job } = await manager.create({
    command,
    cwd: folder,
    name: "the fast one",
    parentSessionID: "ses_root",
    rootSessionID: "ses_root",
  });
  await store.flush();
  const { id } = job;
  const histogram = monitorEventLoopDelay({ resolution: 5 });
  histogram.enable();
  const bytes = () => {
    const now = jobs.get(id);
    return now?.kind === "process" ? now.output.bytes : 0;
  };
  console.log(JSON.stringify({ id, pid: job.identity?.pid }));
  for await (const line of createInterface({ input: process.stdin })) {
    if (line === "end") break;
    const { mean, max } = histogram;
    const p99 = histogram.percentile(99);
    histogram.reset();
    console.log(
      JSON.stringify({ mean: mean / 1e6, p99: p99 / 1e6, max: max / 1e6, bytes: bytes() }),
    );
  }
  await manager.dispose();
  process.exit(0);
}

/** Says its link; ends with its stdin. */
async function serve(folder: string): Promise<void> {
  const system = { clock, log: silentLog, processes: systemProcesses };
  const pageFolder = join(folder, "..", "page");
  const request = { root: folder, port: 0, host: "127.0.0.1", names: [], tokenFile: undefined };
  const server = await serveWeb(request, { ...system, pageFolder });
  console.log(JSON.stringify({ link: server.link }));
  process.stdin.resume();
  await once(process.stdin, "end");
  process.exit(0);
}

interface Part {
  child: ChildProcess;
  ask(line?: string): Promise<Record<string, unknown>>;
}

function start(name: "owner" | "server", folder: string): Part {
  const args = ["--import", "tsx", fileURLToPath(import.meta.url), name, folder];
  const child = spawn(process.execPath, args, { stdio: ["pipe", "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    child,
    async ask(line) {
      if (line !== undefined) child.stdin.write(`${line}\n`);
      const { value, done } = await lines.next();
      if (done) throw new Error(`the ${name} has ended`);
      const said: unknown = JSON.parse(value);
      return Object.fromEntries(Object.entries(said ?? {}));
    },
  };
}

function buildPage(folder: string): void {
  mkdirSync(folder);
  const entries = ["src/web/page/main.tsx", "src/web/page/style.css"];
  const args = ["build", ...entries, "--target=browser", "--minify", `--outdir=${folder}`];
  const cwd = PACKAGE_ROOT;
  execFileSync(join(cwd, "node_modules/.bin/bun"), args, { cwd, stdio: "pipe" });
  for (const name of ["index.html", "icon.svg"]) {
    cpSync(join(cwd, "src/web/page", name), join(folder, name));
  }
}

function wait(milliseconds: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, milliseconds);
  });
}

/** Resident, in MB. */
function memoryOf(pid: number): number {
  const found = /^VmRSS:\s+(\d+) kB$/mu.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
  return Number(found?.[1]) / 1_024;
}

async function frames(page: Page): Promise<number> {
  return Number(await page.evaluate(SCROLL));
}

/** What one page holds open: the events of all jobs and the output of one; read as it comes. */
function connections(link: URL, id: string, signal: AbortSignal): Promise<void>[] {
  const headers = { Authorization: `Bearer ${link.hash.replace("#token=", "")}` };
  const paths = ["/api/events", `/api/jobs/${id}/stream?offset=0&most=1000000`];
  return paths.map(async (path) => {
    const { body, status } = await fetch(new URL(path, link.origin), { headers, signal });
    if (status !== 200) throw new Error(`${path}: ${status}`);
    const reader = body?.getReader();
    try {
      if (reader) while (!(await reader.read()).done);
    } catch (thrown) {
      if (!signal.aborted) throw thrown;
    }
  });
}

async function bench(): Promise<void> {
  if (process.platform !== "linux" || !existsSync(CHROMIUM)) {
    unmeasured("web", "the page under load", "it needs Linux and Chromium");
    return;
  }
  const folder = mkdtempSync(join(tmpdir(), "ocbm-web-"));
  const state = join(folder, "state");
  mkdirSync(state);
  buildPage(join(folder, "page"));
  const owner = start("owner", state);
  const { id, pid } = await owner.ask();
  const server = start("server", state);
  const link = new URL(String((await server.ask()).link));
  const printer = Number(pid);
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"] });
  let sample: ReturnType<typeof setInterval> | undefined;
  const loads = [loadavg()[0] ?? 0];
  try {
    const serverPid = server.child.pid ?? 0;
    process.kill(printer, "SIGSTOP");
    // Before anything was asked of it: what a first page costs is in its growth.
    const before = memoryOf(serverPid);
    const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
    await page.goto(link.href);
    await page.getByRole("button", { name: "the fast one" }).click();
    await page.locator(".line", { hasText: "transformed" }).first().waitFor();
    await page.getByRole("checkbox", { name: "Follow" }).uncheck();
    await frames(page);
    let highest = before;
    sample = setInterval(() => {
      highest = Math.max(highest, memoryOf(serverPid));
    }, 50);

    const scrolled: { idle: number[]; load: number[] } = { idle: [], load: [] };
    for (let round = 0; round < ROUNDS; round += 1) {
      scrolled.idle.push(await frames(page));
      process.kill(printer, "SIGCONT");
      await wait(500);
      scrolled.load.push(await frames(page));
      process.kill(printer, "SIGSTOP");
      await wait(500);
    }
    await page.close();

    process.kill(printer, "SIGCONT");
    const delays: { none: number[]; ten: number[] } = { none: [], ten: [] };
    const worst: { none: number[]; ten: number[] } = { none: [], ten: [] };
    const speeds: number[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      for (const which of ["none", "ten"] as const) {
        const gone = new AbortController();
        const open =
          which === "ten"
            ? Array.from({ length: PAGES }, () => connections(link, String(id), gone.signal)).flat()
            : [];
        await wait(500);
        const { bytes: first } = await owner.ask("delay");
        await wait(ROUND_MS);
        const { mean, p99, bytes: last } = await owner.ask("delay");
        delays[which].push(Number(mean));
        worst[which].push(Number(p99));
        speeds.push((Number(last) - Number(first)) / ROUND_MS / 1_000);
        gone.abort();
        await Promise.allSettled(open);
      }
    }
    loads.push(loadavg()[0] ?? 0);

    const of = (values: readonly number[]) => values.map((value) => value.toFixed(1)).join(" ");
    console.log(`frames a second: idle [${of(scrolled.idle)}], load [${of(scrolled.load)}]`);
    console.log(
      `delay of the event loop, mean ms: none [${of(delays.none)}], ten [${of(delays.ten)}]`,
    );
    console.log(`99 of 100, ms: none [${of(worst.none)}], ten [${of(worst.ten)}]`);
    console.log(`the process printed, MB a second: [${of(speeds)}]`);
    console.log(`server: ${before.toFixed(1)} MB before, ${highest.toFixed(1)} MB at most`);
    const note = `${runtime()}; ${median(speeds).toFixed(0)} MB a second came; load of the machine ${loads.map((load) => load.toFixed(1)).join(" to ")}`;
    const row = (name: string, ours: number, other: number, unit: string, goal: string) =>
      result({ bench: "web", case: name, ours, other, unit, ratio: ours / other, goal, note });
    const [load, idle] = [median(scrolled.load), median(scrolled.idle)];
    row(`${JOBS} jobs, scrolling a log at 50 MB/s / idle`, load, idle, "frames/s", "at least 0.9");
    row("growth of the server's memory", highest - before, 50, "MB", "at most 50 MB");
    const [ten, none] = [median(delays.ten), median(delays.none)];
    row("owner's event-loop delay, mean: ten pages' connections / none", ten, none, "ms", "noise");
    const [ten99, none99] = [median(worst.ten), median(worst.none)];
    row("owner's event-loop delay, 99 of 100: ten / none", ten99, none99, "ms", "noise");
  } finally {
    clearInterval(sample);
    await browser.close();
    process.kill(printer, "SIGCONT");
    const ends = [owner, server].map(({ child }) => once(child, "exit"));
    owner.child.stdin?.write("end\n");
    server.child.stdin?.end();
    await Promise.all(ends);
    rmSync(folder, { recursive: true, force: true });
  }
}
