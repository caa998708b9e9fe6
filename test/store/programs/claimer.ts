/**
 * Claims on command, one line of standard input each: `claim ROOT DIRECTORY` is answered with the ids that this
 * process got; the end of the input ends it. Its stores stay open, so that it is their living owner to the end.
 */
import { createInterface } from "node:readline";
import { silentLog, systemClock } from "../../../src/ports.js";
import { systemProcesses } from "../../../src/store/owner.js";
import { adopt, makeStore } from "../support.js";

process.stdout.write("ready\n");
for await (const line of createInterface({ input: process.stdin })) {
  const [, root = "", directory = ""] = line.split(" ");
  const options = { clock: systemClock, log: silentLog, processes: systemProcesses };
  const own = makeStore({ root, directory, ...options });
  const ids = await adopt(own);
  process.stdout.write(`got ${[...ids, ...own.notices.map((notice) => notice.id)].join(" ")}\n`);
}
