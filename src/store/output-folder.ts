/**
 * Output files whose record is lost (it was set aside, or forgotten while its file could not be removed) are kept
 * as long as an ended job would be, then removed: nobody else would ever remove them.
 */
import { lstatSync, readdirSync } from "node:fs";
import { join, parse } from "node:path";
import { coerceError, type Log } from "../ports.js";
import { errorCode, type StoreFiles } from "./files.js";

export interface SweepOptions {
  isKnown: (jobID: string) => boolean;
  /** Files without a record that were last written before this moment go; milliseconds since the epoch. */
  oldest: number;
  files: StoreFiles;
  log: Log;
}

/** Never throws. */
export function sweepOutput(folder: string, { isKnown, oldest, files, log }: SweepOptions): void {
  try {
    for (const name of readdirSync(folder)) {
      const path = join(folder, name);
      if (!isKnown(parse(name).name) && lstatSync(path).mtimeMs < oldest) files.remove(path);
    }
  } catch (thrown) {
    if (errorCode(thrown) === "ENOENT") return;
    log("warn", "old output files could not be removed", { error: coerceError(thrown).message });
  }
}
