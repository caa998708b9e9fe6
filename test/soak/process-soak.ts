/**
 * The host is killed with SIGKILL at random moments while it starts and runs 10 processes of different manners: 3 s
 * later nobody is left, each time. Then 1,000 short commands (OCBM_COMMANDS) in one host leave nothing behind.
 * `ROUNDS=20 node --import tsx test/soak/process-soak.ts`; ends with 1 when something was left.
 */
import { spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { alive, NODE, programFile } from "../process/support.js";

const rounds = Number(process.env["ROUNDS"] ?? 20);
const bun = join(
  dirname(createRequire(import.meta.url).resolve("bun/package.json")),
  "bin/bun.exe",
);
const opencode = join(
  dirname(createRequire(import.meta.url).resolve("opencode-ai/package.json")),
  "bin/opencode.exe",
);
const HOSTS: Record<string, string[]> = {
  node: [NODE, "--import", "tsx"],
  bun: [bun],
  "embedded bun": [opencode, "run"],
};

let failures = 0;
for (let round = 0; round < rounds; round++) {
  const names = Object.keys(HOSTS);
  const name = names[round % names.length] ?? "node";
  const [file = "", ...args] = HOSTS[name] ?? [];
  const marker = `soak-${randomBytes(8).toString("hex")}`;
  const folder = mkdtempSync(join(tmpdir(), "ocbm-soak-"));
  const child = spawn(file, [...args, programFile("host.ts"), folder, "10"], {
    cwd: join(import.meta.dirname, "../.."),
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, OCBM_TEST_ROOM: marker, HOST_NODE: NODE, BUN_BE_BUN: "1" },
  });
  // From the first process on: before it there is nothing to leave behind.
  const exit = once(child, "exit");
  while (alive(marker).length < 2) await sleep(2);
  const moment = Math.floor(Math.random() * 1000);
  await sleep(moment);
  const before = alive(marker).length - 1;
  child.kill("SIGKILL");
  await exit;
  const killed = Date.now();
  while (alive(marker).length > 0 && Date.now() - killed < 3000) await sleep(10);
  const took = Date.now() - killed;
  const left = alive(marker);
  if (left.length > 0) failures += 1;
  const outcome = left.length > 0 ? `LEFT ${JSON.stringify(left)}` : `nobody after ${took} ms`;
  console.log(`${round + 1}: ${name}, after ${moment} ms, ${before} alive: ${outcome}`);
  for (const { pid } of left) process.kill(pid, "SIGKILL");
  rmSync(folder, { recursive: true, force: true });
}

const leak = join(import.meta.dirname, "../process/leak.test.ts");
const commands = spawnSync(NODE, ["--import", "tsx", "--test", leak], {
  stdio: "inherit",
  env: { OCBM_COMMANDS: "1000", ...process.env },
});
if (commands.status !== 0) failures += 1;
console.log(failures === 0 ? "nothing was left" : `${failures} FAILURES`);
process.exitCode = failures === 0 ? 0 : 1;
