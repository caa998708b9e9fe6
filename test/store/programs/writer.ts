/**
 * An owner that changes its jobs without end until it is killed. It claims first, then adds jobs and saves, and
 * prints the number of a job once that is safely on disk. Argument: root.
 */
import { silentLog, systemClock } from "../../../src/ports.js";
import { systemProcesses } from "../../../src/store/owner.js";
import { noticeOf, subagent } from "../records.js";
import { adopt, makeStore, RETENTION } from "../support.js";

const [root = ""] = process.argv.slice(2);
const retention = { ...RETENTION, keepEnded: 10_000 };
const own = makeStore({
  root,
  clock: systemClock,
  log: silentLog,
  processes: systemProcesses,
  retention,
});
const claimed = await adopt(own);
process.stdout.write(`claimed ${claimed.join(" ")}\n`);
for (let number = claimed.length; ; number += 1) {
  const job = subagent(`bg_${number}`);
  own.jobs.add(job);
  own.notices.push(noticeOf(job));
  own.jobs.updateSubagent(job.id, { cost: number });
  if (number % 3 === 0) own.store.flushSync();
  else await own.store.flush();
  process.stdout.write(`saved ${number}\n`);
}
