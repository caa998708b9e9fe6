// Owns: waiting for what the system tells of files. Promises: when `told` resolves, the changes made before it was
// called have been told to every watcher of this process, as far as the system keeps their order (Linux does: one
// queue for all watchers).
import { mkdtempSync, rmSync, watch, writeFileSync, type FSWatcher } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { settle, type FakeClock } from "./clock.js";

/** Makes a change of its own and waits until that one is told. */
export async function told(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "obm-told-"));
  try {
    await new Promise<void>((resolve, reject) => {
      const watcher = watch(folder, () => {
        watcher.close();
        resolve();
      });
      watcher.on("error", reject);
      writeFileSync(join(folder, "change"), "");
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
  // A listener that makes changes from within their telling lets the loop do nothing else.
  await settle();
}

/** What is seen in a folder: looked for now, and after each change in it, until it is there. */
export async function seenIn<T>(folder: string, look: () => T | undefined): Promise<T> {
  let watcher: FSWatcher | undefined;
  try {
    return await new Promise<T>((resolve, reject) => {
      const tryIt = () => {
        try {
          const seen = look();
          if (seen !== undefined) resolve(seen);
        } catch (error) {
          reject(error instanceof Error ? error : new Error(String(error)));
        }
      };
      watcher = watch(folder, tryIt).on("error", reject);
      tryIt();
    });
  } finally {
    watcher?.close();
  }
}

const ROUNDS = 500;

/** Lets changes be told and time pass, a step each, until what they set off has come to this. */
export async function driveUntil(
  clock: FakeClock,
  isDone: () => boolean,
  what: string,
): Promise<void> {
  for (let round = 0; round < ROUNDS; round += 1) {
    if (isDone()) return;
    await told();
    await clock.advance(50);
  }
  throw new Error(`never: ${what}`);
}

const STILL = 10;

/** Until nothing has moved for some steps and no timer is set: what was under way has come to its end. */
export async function driveUntilStill(clock: FakeClock, moved: () => number): Promise<void> {
  let before = Number.NaN;
  let still = 0;
  const isStill = () => {
    still = moved() === before && clock.pending === 0 ? still + 1 : 0;
    before = moved();
    return still === STILL;
  };
  await driveUntil(clock, isStill, "silence");
}
