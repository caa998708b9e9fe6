// Owns: what a change of a running job costs while none and while 1,000 others wait for jobs like it, in turns.
//   node --import tsx test/bench/waiting.ts
import { JobRegistry } from "../../src/jobs/registry.js";
import { WaitingJobs } from "../../src/jobs/waiting.js";
import { silentLog } from "../../src/ports.js";
import { FakeClock } from "../fakes/clock.js";
import { subagent } from "../notices/jobs.js";
import { median } from "./median.js";
import { result } from "./result.js";

const RUNNING = 10;
const WAITING = 1_000;
const CHANGES = 50_000;
const ROUNDS = 21;
const GOAL = 1.3;

function registryWith(waiting: number): JobRegistry {
  const jobs = new JobRegistry(silentLog);
  const order = new WaitingJobs(jobs, new FakeClock());
  for (let count = 0; count < RUNNING; count++) jobs.add(subagent({ id: `bg_${count}` }));
  for (let count = 0; count < waiting; count++) {
    const after = [`bg_${count % RUNNING}`];
    const job = subagent({ id: `bg_w${count}`, status: "pending", after, group: "all" });
    jobs.add(job);
    order.add(job, () => undefined);
  }
  return jobs;
}

/** Nanoseconds per change. */
function measure(jobs: JobRegistry): number {
  const start = process.hrtime.bigint();
  for (let count = 0; count < CHANGES; count++) {
    jobs.updateSubagent(`bg_${count % RUNNING}`, { cost: count });
  }
  return Number(process.hrtime.bigint() - start) / CHANGES;
}

const none = { jobs: registryWith(0), times: new Array<number>() };
const many = { jobs: registryWith(WAITING), times: new Array<number>() };
for (let round = 0; round < ROUNDS; round++) {
  for (const one of round % 2 === 0 ? [none, many] : [many, none]) {
    one.times.push(measure(one.jobs));
  }
}
const [other, ours] = [median(none.times), median(many.times)];
console.log(
  `a change of a job: ${other.toFixed(0)} ns, with 1,000 that wait: ${ours.toFixed(0)} ns`,
);
result({
  bench: "waiting",
  case: "1,000 jobs wait for 10 that run",
  ours,
  other,
  unit: "ns",
  ratio: ours / other,
  goal: `at most ${GOAL}`,
  note: "one change of a running job, beside none that wait",
});
