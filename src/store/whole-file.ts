/**
 * Puts a whole text in the place of a file: a new file beside it, flushed to the disk, then renamed over it. A
 * crash at any moment leaves the old text or the new one, and at worst a temporary file, which goes with the folder
 * when the next start has claimed it.
 */
import { randomBytes } from "node:crypto";
import { waysOf } from "../platform.js";
import type { Clock } from "../ports.js";
import { errorCode, type StoreFiles } from "./files.js";

/** On Windows a virus scanner or an indexer may hold the target for some milliseconds. */
const BUSY = new Set(["EPERM", "EACCES", "EBUSY"]);
const TRIES = 10;
const WAIT_MILLISECONDS = 20;

/** `jobs.json.0123456789ab.tmp` for `jobs.json`: of fixed length and never the same twice. */
export function temporaryName(path: string): string {
  return `${path}.${randomBytes(6).toString("hex")}.tmp`;
}

/** The file is new and on the disk, or it is gone and the system's error (open, write, fsync) is thrown. */
export async function writeNew(files: StoreFiles, path: string, text: string): Promise<void> {
  const file = await files.create(path);
  try {
    try {
      await file.write(text);
      await file.sync();
    } finally {
      await file.close();
    }
  } catch (thrown) {
    files.remove(path);
    throw thrown;
  }
}

export interface Replacement {
  temporary: string;
  path: string;
  /** True when something newer is in the place already. */
  isOvertaken: () => boolean;
  clock: Clock;
  platform?: NodeJS.Platform | undefined;
}

/**
 * Moves the temporary file over the target. The question whether it is overtaken and the rename are one
 * synchronous step, so that an older text never replaces a newer one. False when it was overtaken; throws the
 * system's error (rename). The temporary file is gone in every case.
 */
export async function replaceFile(files: StoreFiles, order: Replacement): Promise<boolean> {
  const { temporary, path, isOvertaken, clock, platform } = order;
  for (let attempt = 1; ; attempt += 1) {
    if (isOvertaken()) {
      files.remove(temporary);
      return false;
    }
    try {
      files.rename(temporary, path);
      return true;
    } catch (thrown) {
      if (!isBusy(thrown, platform) || attempt === TRIES) {
        files.remove(temporary);
        throw thrown;
      }
    }
    await new Promise<void>((resolve) => {
      clock.after(WAIT_MILLISECONDS * attempt, resolve);
    });
  }
}

/** All at once; throws the system's error (open, write, fsync, rename) and then the old text is still there. */
export function saveSync(
  files: StoreFiles,
  path: string,
  text: string,
  platform?: NodeJS.Platform,
): void {
  const temporary = temporaryName(path);
  const file = files.createSync(temporary);
  try {
    try {
      file.write(text);
      file.sync();
    } finally {
      file.close();
    }
    renameSync(files, temporary, path, platform);
  } catch (thrown) {
    files.remove(temporary);
    throw thrown;
  }
}

function renameSync(
  files: StoreFiles,
  from: string,
  to: string,
  platform: NodeJS.Platform | undefined,
): void {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return files.rename(from, to);
    } catch (thrown) {
      if (!isBusy(thrown, platform) || attempt === TRIES) throw thrown;
    }
  }
}

function isBusy(thrown: unknown, platform: NodeJS.Platform | undefined): boolean {
  return waysOf(platform).locksOpenFiles && BUSY.has(errorCode(thrown) ?? "");
}
