/**
 * What a control group (cgroup v2) of its own costs a process: ours with groups, and ours without. One by one and
 * apart, as an agent's starts come, because the kernel waits for a grace period with each move that follows no other at
 * once; and many at once, of which only the first few get one.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { noControlGroups } from "../../fixtures/programs/daemons.js";
import { groupsWith } from "../system/control-groups.js";
import { median } from "./median.js";
import { inOpenCodesBun, openBench, pairs, runtime, show, type Bench } from "./process-support.js";
import { unmeasured, type Result } from "./result.js";

const STARTS = 15;
const APART_MILLISECONDS = 300;
const AT_ONCE = 200;

function open(withGroups: boolean): Bench {
  const make = () => Promise.reject(new Error("not in this one"));
  return openBench({}, withGroups ? {} : { controlGroups: groupsWith({ make }) });
}

/** How long `work` takes, and the longest time in which the thread did nothing else. */
async function watched(work: () => Promise<void>): Promise<{ took: number; held: number }> {
  const start = performance.now();
  let [last, held, isOver] = [start, 0, false];
  const look = () => {
    const now = performance.now();
    held = Math.max(held, now - last);
    last = now;
    if (!isOver) setImmediate(look);
  };
  setImmediate(look);
  await work();
  isOver = true;
  look();
  return { took: performance.now() - start, held };
}

/** `printed` resolves when the command has printed something. */
async function start({ manager, folder }: Bench): Promise<{ printed: Promise<void> }> {
  const { job } = await manager.create({
    command: "echo up; exec sleep 100",
    cwd: folder,
    parentSessionID: "s",
    rootSessionID: "s",
  });
  const first = async () => {
    const stop = new AbortController();
    for await (const _ of manager.stream(job.id, { signal: stop.signal })) return;
  };
  return { printed: first() };
}

const KINDS = ["create", "create: the host's thread", "until its first output"] as const;

async function oneByOne(withGroups: boolean): Promise<Record<(typeof KINDS)[number], number>> {
  const bench = open(withGroups);
  const times: Record<(typeof KINDS)[number], number[]> = {
    create: [],
    "create: the host's thread": [],
    "until its first output": [],
  };
  for (let count = 0; count < STARTS; count += 1) {
    let printed = Promise.resolve();
    const begin = performance.now();
    const { took, held } = await watched(async () => {
      ({ printed } = await start(bench));
    });
    await printed;
    times["until its first output"].push(performance.now() - begin);
    times.create.push(took);
    times["create: the host's thread"].push(held);
    await sleep(APART_MILLISECONDS);
  }
  await bench.close();
  return {
    create: median(times.create),
    "create: the host's thread": median(times["create: the host's thread"]),
    "until its first output": median(times["until its first output"]),
  };
}

async function atOnce(withGroups: boolean): Promise<number> {
  const bench = open(withGroups);
  const begin = performance.now();
  const all = await Promise.all(Array.from({ length: AT_ONCE }, () => start(bench)));
  await Promise.all(all.map(({ printed }) => printed));
  const took = performance.now() - begin;
  await bench.close();
  return took;
}

async function measure(): Promise<Result[]> {
  const [ours, others] = [await oneByOne(true), await oneByOne(false)];
  const rows = KINDS.map((kind): Result => {
    const [with_, without] = [ours[kind], others[kind]];
    console.log(`${kind}: with ${with_.toFixed(1)} ms, without ${without.toFixed(1)} ms`);
    return {
      bench: "control-group",
      case: `${kind}: with a control group / without`,
      ours: with_,
      other: without,
      unit: "ms",
      ratio: with_ / without,
      note: `median of ${STARTS}, ${APART_MILLISECONDS} ms apart; ${runtime()}`,
    };
  });
  const pair = await pairs(
    3,
    () => atOnce(true),
    () => atOnce(false),
  );
  const named = {
    bench: "control-group",
    case: `${AT_ONCE} at once, until all have printed: with / without`,
  };
  return [...rows, show("cost", { ...named, pair, note: runtime() })];
}

if (noControlGroups === false) await inOpenCodesBun(import.meta.filename, measure);
else unmeasured("control-group", "a group for each process", noControlGroups);
