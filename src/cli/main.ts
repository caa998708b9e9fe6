#!/usr/bin/env node
/** `npx opencode-background-manager`: gives the command line the real terminal, clock and processes. */
import { silentLog, systemClock, wakingClock } from "../ports.js";
import { recordedGroup } from "../system/control-group.js";
import { chooseKillTree, systemForKill } from "../system/kill-tree.js";
import { systemMeasure } from "../system/usage.js";
import { systemProcesses } from "../store/owner.js";
import { fileURLToPath } from "node:url";
import { run } from "./run.js";
import { systemTerminal } from "./terminal.js";

const GRACE_MILLISECONDS = 2000;

const interrupted = new AbortController();
for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, () => interrupted.abort());
// The reader may stop reading: `doctor | head`.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  process.exit(error.code === "EPIPE" ? 0 : 1);
});

// Nothing else keeps this process awake while it follows an output or serves the page.
const clock = wakingClock;
const pageFolder = fileURLToPath(new URL("../web/page/", import.meta.url));

const killTree = chooseKillTree(systemForKill(systemClock));
process.exitCode = await run(process.argv.slice(2), {
  terminal: systemTerminal(),
  clock,
  processes: systemProcesses,
  kill: (job) => {
    const { id, identity } = job;
    const target = { pid: identity?.pid ?? 0, identity, held: false, jobID: id };
    return killTree({ ...target, controlGroup: recordedGroup(job) }, GRACE_MILLISECONDS);
  },
  measure: systemMeasure(),
  env: process.env,
  cwd: process.cwd(),
  web: async (request) => {
    const { serveWeb } = await import("../web/main.js");
    const system = { pageFolder, clock, log: silentLog, processes: systemProcesses };
    return serveWeb(request, system);
  },
  signal: interrupted.signal,
});
