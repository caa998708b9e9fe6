// Owns: the folder that an owner left who died, and how old it looks.
import { readdirSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { FakeClock } from "../fakes/clock.js";
import { noticeOf, processJob, subagent } from "./records.js";
import { makeStore, outputFileOf } from "./support.js";

export const HOUR = 3600_000;

/** An owner who wrote its jobs and died: pid 1, which no other process finds alive. */
export async function deadOwner(root: string, changes: Parameters<typeof makeStore>[0] = { root }) {
  const dead = makeStore({ ...changes, root });
  dead.jobs.add(subagent("bg_1"));
  dead.jobs.add(processJob("proc_1"));
  dead.notices.push(noticeOf(subagent("bg_1")));
  writeFileSync(outputFileOf(dead.store, "proc_1"), "output of proc_1");
  await dead.store.flush();
  return dead;
}

/** Makes the folder look as if it had not been touched for so long. */
export function age(path: string, clock: FakeClock, milliseconds: number): void {
  const at = new Date(clock.now() - milliseconds);
  for (const name of readdirSync(path)) {
    if (!name.startsWith("link")) utimesSync(join(path, name), at, at);
  }
  utimesSync(path, at, at);
}

export const instances = (root: string): string[] => readdirSync(join(root, "project"));
