// Owns: what one `message.part.delta` costs with few and with many jobs, measured in turns in one run.
//   node --import tsx test/bench/handle-event.ts
import { subagent } from "../notices/jobs.js";
import { House } from "../fakes/house.js";
import { median } from "./median.js";
import { result } from "./result.js";

const DELTAS = 50_000;
const ROUNDS = 21;
const GOAL = 1.3;
const RUNNING = 10;
const AT_ONCE = 10_000;

interface Case {
  what: string;
  house: House;
  events: readonly object[];
  times: number[];
}

/** So many jobs, of which so many run; the others have ended. */
async function build(what: string, jobs: number, running: number): Promise<Case> {
  const limits = { maxRunning: AT_ONCE, concurrency: AT_ONCE, maxTasksPerSession: AT_ONCE };
  const house = new House({ options: { ...limits, toasts: false } });
  const parentSessionID = house.host.addRoot();
  for (let count = running; count < jobs; count++) {
    const number = String(count).padStart(10, "0");
    const ended = { status: "completed", endReason: "finished" } as const;
    house.jobs.add(
      subagent({ ...ended, id: `bg_${number}`, sessionID: `ses_${number}`, parentSessionID }),
    );
  }
  const sessions: string[] = [];
  for (let count = 0; count < running; count++) {
    const { sessionID } = await house.child({ parentSessionID, prompt: `${count}` });
    sessions.push(sessionID);
  }
  return { what, house, events: deltas(sessions), times: [] };
}

/** One in four is of a session that is none of ours. */
function deltas(sessions: readonly string[]): object[] {
  return Array.from({ length: DELTAS }, (_, index) => {
    const own = sessions[(index * 7) % sessions.length] ?? "";
    const sessionID = index % 4 === 0 ? "ses_other" : own;
    const ids = { sessionID, messageID: "msg_1", partID: "prt_1" };
    return { type: "message.part.delta", properties: { ...ids, field: "text", delta: "word " } };
  });
}

/** Nanoseconds per event. */
function measure({ house, events }: Case): number {
  const start = process.hrtime.bigint();
  for (const event of events) house.tasks.handleEvent(event);
  return Number(process.hrtime.bigint() - start) / DELTAS;
}

const few = await build("10 jobs, all running", RUNNING, RUNNING);
const many = await build("10,000 jobs, 10 running", AT_ONCE, RUNNING);
const live = await build("10,000 jobs, all running", AT_ONCE, AT_ONCE);
for (let round = 0; round < ROUNDS; round++) {
  // Each in turn goes first, so that none has the warm cache for itself.
  const cases = [few, many, live];
  for (let turn = 0; turn < cases.length; turn++) {
    const one = cases[(round + turn) % cases.length];
    one?.times.push(measure(one));
  }
}
const base = median(few.times);
console.log(`message.part.delta: median of ${ROUNDS} rounds of ${DELTAS} events`);
for (const { what, times } of [few, many, live]) {
  const cost = median(times);
  console.log(`${what.padStart(26)}: ${cost.toFixed(0)} ns, ratio ${(cost / base).toFixed(2)}`);
}
console.log(`goal: 10,000 jobs with as many running cost at most ${GOAL} times as much`);
const other = base;
const note = `one message.part.delta, beside ${few.what}`;
for (const { what, times } of [many, live]) {
  const ours = median(times);
  const about = { bench: "handle-event", unit: "ns", note };
  const goal = what === many.what ? { goal: `at most ${GOAL}` } : {};
  result({ ...about, case: what, ours, other, ratio: ours / other, ...goal });
}
