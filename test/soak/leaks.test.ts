/**
 * A server that has run a thousand jobs is as it was: as many open files, children, threads and listeners, and
 * no memory that grows with what its jobs printed.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { describe } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { isDeepStrictEqual } from "node:util";
import { BUILT_PLUGIN, callTool, PACKAGE_ROOT } from "../../fixtures/host/index.js";
import { holdings, type Holdings } from "../../fixtures/host/holdings.js";
import {
  forever,
  gate,
  httpError,
  text,
  toolCall,
  type ModelRequest,
} from "../../fixtures/model/index.js";
import { held, jobIds, launch, noticesIn, type TestBed } from "../e2e/support.js";
import { useHost } from "../e2e/use-host.js";
import { rounds } from "../rounds.js";

const HOUR_MS = 3_600_000;
const MIB = 1024 * 1024;
const PROBE = join(PACKAGE_ROOT, "fixtures/plugins/probe.js");
const BATCH = 10;
/** Of a batch: those whose end the agent does not bring about itself. */
const TOLD = 8;
/** Ended jobs that are kept. The warm-up makes so many: after it each record replaces an older one. */
const KEPT = 20;
/** What each of the five processes of a batch prints: in the six batches of CI 240 MiB, 4,000 in all rounds. */
const PRINTED = 8 * MIB;
/**
 * The host's own memory goes up and down by some 50 MiB, whatever it did before. One output kept per job is
 * 240 MiB more at the least. Texts of subagents are the host's to keep and not measured here.
 */
const MOST_GROWTH = 160 * MIB;
/** Idle connections to the model and to the test come and go. */
const MOST_CONNECTIONS = BATCH;
/** The runtime starts and ends threads of its own. */
const MOST_THREADS = 5;

const inside = z.object({
  heap: z.number(),
  rss: z.number(),
  listeners: z.record(z.string(), z.number()),
});

describe("a server that runs job after job", () => {
  const pluginOptions = { concurrency: BATCH, toasts: false, keepEnded: KEPT };
  const bed = useHost({ plugins: [[BUILT_PLUGIN, pluginOptions], PROBE] });
  const batches = rounds(1_000 / BATCH, 16);

  bed.test(
    `holds no more after ${batches * BATCH} jobs than before, and told each end once`,
    async () => {
      const probe = await bed.host.createSession({ title: "probe" });
      for (let batch = 0; batch < KEPT / BATCH; batch++) await runBatch(bed, `warm-up ${batch}`);
      const before = await atRest(bed);
      const memory = await look(bed, probe.id);
      const told = { once: 0, otherwise: 0 };
      for (let batch = 0; batch < batches; batch++) {
        const { sessionID, times } = await runBatch(bed, `batch ${batch}`);
        for (const each of times) told[each === 1 ? "once" : "otherwise"] += 1;
        if (batch % 2 === 0) await bed.host.deleteSession(sessionID);
      }
      const after = await atRest(bed, before);
      const memoryAfter = await look(bed, probe.id);
      print("before", before, memory);
      print("after", after, memoryAfter);
      console.log(`${batches * BATCH} jobs, ends told: ${JSON.stringify(told)}`);
      assert.deepEqual(told, { once: batches * TOLD, otherwise: 0 });
      assert.deepEqual(after.files, before.files);
      assert.deepEqual(after.children, before.children);
      assert.deepEqual(memoryAfter.listeners, memory.listeners);
      assert.ok(after.connections <= before.connections + MOST_CONNECTIONS, "connections");
      assert.ok(after.threads <= before.threads + MOST_THREADS, "threads");
      assert.ok(memoryAfter.heap - memory.heap < MOST_GROWTH, "memory after a collection");
      assert.ok(memoryAfter.rss - memory.rss < MOST_GROWTH, "resident memory");
      assert.deepEqual(await bed.host.survivors(15_000, "sleep 300"), []);
    },
    HOUR_MS,
  );
});

/**
 * Five subagents and five processes: three answer, one fails, one is cancelled; three end well, one of them
 * noticed by a line and one by a pattern, one fails, one is killed. Gives how often each of the eight ends was
 * told that the agent did not bring about itself.
 */
async function runBatch(bed: TestBed, name: string) {
  const { host, model } = bed;
  const { id: sessionID } = await host.createSession({ title: name });
  const child = (what: string) => `${name} ${what}.`;
  for (const what of ["one", "two", "three"]) {
    model.script(child(what), [text("some words ".repeat(2_000), { chunk: 5_000 })]);
  }
  model.script(child("fails"), [httpError(400)]);
  model.script(child("stays"), [[gate(child("never")), text("late")]]);
  const { command: print, go } = held(bed, `yes '${"x".repeat(99)}' | head -c ${PRINTED}`);
  const run = (command: string, more: object = {}) =>
    toolCall("createBackgroundProcess", { command, ...more });
  model.scriptSession(sessionID, [
    [
      ...["one", "two", "three", "fails"].map((what) => launch(child(what))),
      launch(child("stays"), { tags: ["stays"] }),
      run(print),
      run(`${print}; exit 3`),
      run(`${print}; echo 'OPENCODE_NOTIFY: printed'`),
      run(`${print}; echo ready`, { notifyPattern: "^ready$" }),
      run(`${print}; sleep 300`, { tags: ["stays"] }),
    ],
    () => {
      go();
      return [
        toolCall("cancelBackgroundTasks", { tags: ["stays"], sessionId: sessionID }),
        toolCall("killProcesses", { tags: ["stays"], sessionId: sessionID }),
      ];
    },
    forever(text("noted")),
  ]);
  await host.prompt(sessionID, `start ${name}`);
  const shows = (request: ModelRequest, ids: readonly string[]) =>
    ids.map((id) => timesEnded(request, id));
  const owed = () => jobIds(bed, sessionID).filter((_, index) => index % 5 !== 4);
  const last = await model.waitForRequest(
    (request) =>
      request.conversation === sessionID &&
      owed().length === TOLD &&
      shows(request, owed()).every((times) => times > 0),
    { timeoutMs: 60_000, what: `the ends of ${name}` },
  );
  const { cursor: from } = host.events;
  await host.waitFor("session.idle", (idle) => idle.sessionID === sessionID, { from });
  return { sessionID, times: shows(last, owed()) };
}

/** How often the end of a job is told in all that the model was shown. */
function timesEnded(request: ModelRequest, jobID: string): number {
  const blocks = noticesIn(request).flatMap((notice) => notice.split("<background_job ").slice(1));
  const ends = blocks.filter((block) => /^(?:result|output|no (?:text )?output)\b/mu.test(block));
  return ends.filter((block) => block.startsWith(`id="${jobID}"`)).length;
}

/** Files and children as they were, or as they stay; what they are after 30 s when they are not. */
async function atRest({ host }: TestBed, like?: Holdings): Promise<Holdings> {
  const end = Date.now() + 30_000;
  let last = like;
  for (;;) {
    const now = await holdings(host.server.pid);
    // The watchdog stays a second longer than the last process.
    const isAlone = now.children.length === 0;
    const isLike = last && isAlone && isDeepStrictEqual(lasting(now), lasting(last));
    if (isLike || Date.now() > end) return now;
    last = like ?? now;
    // The kernel does not tell when another process closes a file.
    await sleep(500);
  }
}

function lasting({ files, children }: Holdings) {
  return { files, children };
}

async function look({ host, model }: TestBed, sessionID: string) {
  return inside.parse(JSON.parse(await callTool(host, model, sessionID, "probe", {})));
}

function print(when: string, held: Holdings, { heap, rss, listeners }: z.infer<typeof inside>) {
  const { files, children, connections, threads } = held;
  const count = (counts: Readonly<Record<string, number>>) =>
    Object.values(counts).reduce((sum, each) => sum + each, 0);
  const mib = (bytes: number) => `${Math.round(bytes / MIB)} MiB`;
  console.log(
    `${when}: resident ${mib(rss)}, heap ${mib(heap)}, files ${count(files)}, children ${children.length}, ` +
      `listeners ${count(listeners)}, threads ${threads}, connections ${connections}`,
  );
}
