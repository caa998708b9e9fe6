// Owns: calls of the command line on a machine where pid 1 lives, the owners whose state it reads, and real
// processes. Promises: none of those is left after its test.
import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { afterEach } from "node:test";
import { run, type CliDeps } from "../../src/cli/run.js";
import { systemClock } from "../../src/ports.js";
import { hasEnded, identifyProcess } from "../../src/system/identity.js";
import { chooseKillTree, systemForKill } from "../../src/system/kill-tree.js";
import { systemMeasure } from "../../src/system/usage.js";
import type { Processes } from "../../src/store/owner.js";
import { FakeClock } from "../fakes/clock.js";
import { processJob, subagent } from "../store/records.js";
import { fakeProcesses, makeStore, NOW } from "../store/support.js";

/** Owner 1 lives, all others are gone; processes of jobs are real ones. */
export const machine: Processes = {
  self: () => fakeProcesses(99, new Set()).self(),
  hasEnded: (identity) =>
    identity.startTime.startsWith("start-") ? identity.pid !== 1 : hasEnded(identity),
};

export async function call(args: readonly string[], changes: Partial<CliDeps> = {}) {
  const out: string[] = [];
  const err: string[] = [];
  const killTree = chooseKillTree(systemForKill(systemClock));
  const code = await run(args, {
    terminal: {
      write: (text) => void out.push(text),
      complain: (text) => void err.push(text),
      colour: false,
      columns: undefined,
    },
    clock: new FakeClock(NOW),
    processes: machine,
    kill: ({ id, identity }) =>
      killTree({ pid: identity?.pid ?? 0, identity, held: false, jobID: id }, 500),
    measure: systemMeasure(),
    env: {},
    web: () => Promise.reject(new Error("no page in this test")),
    ...changes,
  });
  return { code, out: out.join(""), err: err.join("") };
}

export async function owner(
  pid: number,
  root: string,
  ...jobs: ReturnType<typeof subagent | typeof processJob>[]
) {
  const made = makeStore({ root, pid, clock: new FakeClock(Date.UTC(2026, 10, 21, 11, pid)) });
  for (const job of jobs) made.jobs.add(job);
  await made.store.flush();
  return made;
}

const children: ChildProcess[] = [];
afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill("SIGKILL");
    await once(child, "exit");
  }
});

/** A real process of its own group, as the process manager starts them. */
export function realProcess(id: string) {
  const child = spawn("sleep", ["1000"], { detached: true, stdio: "ignore" });
  children.push(child);
  const identity = identifyProcess(child.pid ?? 0);
  assert.ok(identity);
  return { child, identity, job: processJob(id, { identity }) };
}
