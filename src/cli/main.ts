#!/usr/bin/env node
/** `npx opencode-background-manager`: gives the command line the real terminal, clock and processes. */
import { systemClock } from "../ports.js";
import { chooseKillTree, systemForKill } from "../system/kill-tree.js";
import { systemProcesses } from "../store/owner.js";
import { run } from "./run.js";
import { systemTerminal } from "./terminal.js";

const GRACE_MILLISECONDS = 2000;

const interrupted = new AbortController();
process.once("SIGINT", () => interrupted.abort());
// Whoever reads may stop reading: `doctor | head`.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  process.exit(error.code === "EPIPE" ? 0 : 1);
});

const killTree = chooseKillTree(systemForKill(systemClock));
process.exitCode = await run(process.argv.slice(2), {
  terminal: systemTerminal(),
  // Nothing else keeps this process awake while it follows an output.
  clock: {
    ...systemClock,
    after(milliseconds, callback) {
      const timer = setTimeout(callback, milliseconds);
      return { cancel: () => clearTimeout(timer) };
    },
  },
  processes: systemProcesses,
  kill: ({ id, identity }) =>
    killTree({ pid: identity?.pid ?? 0, identity, held: false, jobID: id }, GRACE_MILLISECONDS),
  env: process.env,
  signal: interrupted.signal,
});
