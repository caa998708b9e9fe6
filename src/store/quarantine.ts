/**
 * What cannot be used is set aside under another name in our own folder, for people to look at, and never
 * deleted unseen: a whole file as `jobs.json.corrupt-TIME`, single records as `jobs.rejected-TIME.json`. Only
 * the newest five are kept, so that a fault that repeats does not fill the disk.
 */
import { existsSync, readdirSync } from "node:fs";
import { basename, join } from "node:path";
import { diskFiles, type StoreFiles, saveSync } from "./files.js";
import type { Rejected } from "./state-file.js";

const KEPT = 5;
const FORM = /\.(?:corrupt|rejected)-(\d{8}T\d{9}Z(?:-\d+)?)(?:\.json)?$/;

export function isQuarantined(name: string): boolean {
  return FORM.test(name);
}

/** Moves a file (or whatever is in its place) into our folder. Returns where to; throws the system's error. */
export function setAside(path: string, folder: string, now: Date, files = diskFiles): string {
  const target = freeName((time) => join(folder, `${basename(path)}.corrupt-${time}`), now);
  files.rename(path, target);
  trim(folder, files);
  return target;
}

/** Returns the new file's path; throws the system's error (open, write, fsync, rename). */
export function writeRejected(
  rejected: readonly Rejected[],
  folder: string,
  now: Date,
  files: StoreFiles = diskFiles,
): string {
  const target = freeName((time) => join(folder, `jobs.rejected-${time}.json`), now);
  saveSync(files, target, JSON.stringify(rejected, undefined, 2));
  trim(folder, files);
  return target;
}

/** What another owner had set aside comes along with its folder. */
export function moveQuarantined(from: string, folder: string, files: StoreFiles): void {
  for (const name of readdirSync(from).filter(isQuarantined)) {
    files.rename(join(from, name), join(folder, name));
  }
  trim(folder, files);
}

function trim(folder: string, files: StoreFiles): void {
  const time = (name: string): string => FORM.exec(name)?.[1] ?? "";
  const names = readdirSync(folder).filter(isQuarantined);
  names.sort((a, b) => (time(a) < time(b) ? 1 : -1));
  for (const name of names.slice(KEPT)) files.remove(join(folder, name));
}

function freeName(name: (time: string) => string, now: Date): string {
  const time = now.toISOString().replaceAll(/[-:.]/g, "");
  for (let count = 0; ; count += 1) {
    const path = name(count === 0 ? time : `${time}-${count}`);
    if (!existsSync(path)) return path;
  }
}
