/**
 * The disk, as the store uses it. The few calls that change it are behind one small interface, so that a test puts
 * a fault at any of them. Promises:
 *
 * - What is made is for the user alone (files 0600, folders 0700), whatever the umask says.
 * - Nothing is written or read through a symbolic link, and only plain files are read: a pipe in the place of one
 *   would stop the host.
 * - A file that is replaced holds the old text or the new one, whole, also after a crash at any moment. What a crash
 *   leaves is a temporary file, which goes with its folder.
 */
import { randomBytes } from "node:crypto";
import {
  chmodSync,
  closeSync,
  constants,
  fstatSync,
  type Stats,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  writeFileSync,
  type Dirent,
} from "node:fs";
import { open, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { waysOf } from "../platform.js";
import { errorCode, type Clock } from "../ports.js";
import { pause } from "../time.js";

/** Every call throws (or rejects with) the system's error; its `code` is the errno's name. */
export interface StoreFiles {
  /**
   * A new file with this text, on the disk and not only in the system's memory: open(2) with O_EXCL, which fails where
   * anything is, a symbolic link too; write(2), fsync(2). A failure may leave a part of it, unless its code is EEXIST.
   */
  create(path: string, text: string): Promise<void>;
  createSync(path: string, text: string): void;
  /** rename(2): replaces a file, and a symbolic link itself rather than what it points at. */
  rename(from: string, to: string): void;
  /** A file, a link (not its target) or a whole folder; fine when there is none. */
  remove(path: string): void;
  /** With all parents that are missing; fine when it exists. */
  makeFolder(path: string): void;
}

const PRIVATE_FILE = 0o600;
const PRIVATE_FOLDER = 0o700;
/** The umask may take the owner's own rights away: they are set afterwards. */
const NEW_FILE = { flag: "wx", mode: PRIVATE_FILE, flush: true };
/** The rights of the group and of everyone else. */
const OTHERS = 0o077;

export const diskFiles: StoreFiles = {
  async create(path, text) {
    // In OpenCode's Bun one job of its thread pool: more of them would each wait for the host's event loop.
    await writeFile(path, text, NEW_FILE);
    chmodSync(path, PRIVATE_FILE);
  },
  createSync(path, text) {
    writeFileSync(path, text, NEW_FILE);
    chmodSync(path, PRIVATE_FILE);
  },
  rename: renameSync,
  remove: (path) => rmSync(path, { recursive: true, force: true }),
  makeFolder,
};

function makeFolder(path: string): void {
  try {
    mkdirSync(path, PRIVATE_FOLDER);
  } catch (thrown) {
    const code = errorCode(thrown);
    if (code === "EEXIST") return;
    if (code !== "ENOENT" || dirname(path) === path) throw thrown;
    makeFolder(dirname(path));
    return makeFolder(path);
  }
  chmodSync(path, PRIVATE_FOLDER);
}

/**
 * A folder that we may trust: a real one, ours, and for us alone. One of ours that others may use is mended. Throws
 * an error that says what is wrong with the folder, or the system's (lstat, chmod); for a missing one ENOENT.
 */
export function checkFolder(path: string, user = process.geteuid?.()): void {
  const { mode } = inspectFolder(path, user);
  // Windows has neither owners nor modes of this kind.
  if (user !== undefined && (mode & OTHERS) !== 0) chmodSync(path, PRIVATE_FOLDER);
}

/** The same for one who only looks: nothing is mended. */
export function inspectFolder(path: string, user = process.geteuid?.()): Stats {
  const found = lstatSync(path);
  const kind = found.isSymbolicLink() ? "a symbolic link" : "no folder";
  if (!found.isDirectory()) {
    throw new UnsafePath(`${path} is ${kind}: background jobs are kept in a real folder only`);
  }
  checkOwner(path, found, user);
  return found;
}

/** Whether a file (or link) is this user's; always on Windows. Throws the system's error (lstat). */
export function isOwnFile(path: string, user = process.geteuid?.()): boolean {
  return user === undefined || lstatSync(path).uid === user;
}

function checkOwner(path: string, { uid }: Stats, user: number | undefined): void {
  if (user === undefined || uid === user) return;
  throw new UnsafePath(
    `${path} belongs to the user with the number ${uid}, and OpenCode runs as ${user}: it is not used`,
  );
}

/** Something in the way that is not ours to use, in words for people. */
export class UnsafePath extends Error {
  override readonly name = "UnsafePath";
}

// Windows knows neither flag; there `undefined` becomes 0 in the `|`.
const FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/**
 * Bytes of the largest file that is read. Ten thousand ended jobs, the most that are kept, take some 10 MB; more than
 * this would hold the host's thread for seconds.
 */
export const LARGEST_FILE = 24 * 1024 * 1024;

/** Rejects with an UnsafePath or with the system's error (open, read); for a link the code is ELOOP. */
export async function readText(path: string): Promise<string> {
  const handle = await open(path, FLAGS);
  try {
    checkFile(path, await handle.stat());
    return await handle.readFile("utf8");
  } finally {
    await handle.close();
  }
}

/** The same at once; throws. */
export function readTextSync(path: string): string {
  return withFile(path, (descriptor) => readFileSync(descriptor, "utf8"));
}

/** The first bytes, as ASCII; throws. */
export function readStartSync(path: string, bytes: number): string {
  return withFile(path, (descriptor) => {
    const buffer = Buffer.alloc(bytes);
    return buffer.toString("latin1", 0, readSync(descriptor, buffer, 0, bytes, 0));
  });
}

function withFile<T>(path: string, read: (descriptor: number) => T): T {
  const descriptor = openSync(path, FLAGS);
  try {
    checkFile(path, fstatSync(descriptor));
    return read(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

function checkFile(path: string, found: Stats): void {
  if (!found.isFile()) throw new UnsafePath(`${path} is not a plain file`);
  checkOwner(path, found, process.geteuid?.());
  if (found.size > LARGEST_FILE) {
    throw new UnsafePath(`${path} has ${found.size} bytes; more than ${LARGEST_FILE} are not read`);
  }
}

/** Never throws. */
export function entriesOf(path: string): Dirent[] {
  try {
    return readdirSync(path, { withFileTypes: true });
  } catch {
    // Missing, no folder, or no right to read it: the same to a caller that asks what is in it.
    return [];
  }
}

/** The newest change of these, as far as they are there, in milliseconds since the epoch; 0 when none is. */
export function newestChange(paths: readonly string[]): number {
  const times = paths.map((path) => lstatSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0);
  return Math.max(0, ...times);
}

/** The names of the real folders in it; a symbolic link to one is none. Never throws. */
export function foldersIn(path: string): string[] {
  return entriesOf(path)
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name);
}

/** On Windows a virus scanner or an indexer may hold the target for some milliseconds. */
const BUSY = new Set(["EPERM", "EACCES", "EBUSY"]);
const TRIES = 10;
const WAIT_MILLISECONDS = 20;

/** `jobs.json.0123456789ab.tmp` for `jobs.json`: of fixed length and never the same twice. */
function temporaryName(path: string): string {
  return `${path}.${randomBytes(6).toString("hex")}.tmp`;
}

export interface Saving {
  /** True when something newer is in the place already. */
  isOvertaken: () => boolean;
  clock: Clock;
  platform?: NodeJS.Platform | undefined;
}

/**
 * Replaces the file, or throws the system's error (open, write, fsync, chmod, rename), and then the old text is still
 * there. The question whether it is overtaken and the rename are one synchronous step, so that an older text never
 * replaces a newer one. False when it was overtaken.
 */
export async function save(
  files: StoreFiles,
  path: string,
  text: string,
  { isOvertaken, clock, platform }: Saving,
): Promise<boolean> {
  const temporary = temporaryName(path);
  try {
    await files.create(temporary, text);
    for (let attempt = 1; !isOvertaken(); attempt += 1) {
      if (isRenamed(files, temporary, path, attempt, platform)) return true;
      await pause(clock, WAIT_MILLISECONDS * attempt);
    }
    files.remove(temporary);
    return false;
  } catch (thrown) {
    removeOwn(files, temporary, thrown);
    throw thrown;
  }
}

/** The same at once. */
export function saveSync(
  files: StoreFiles,
  path: string,
  text: string,
  platform?: NodeJS.Platform,
): void {
  const temporary = temporaryName(path);
  try {
    files.createSync(temporary, text);
    let attempt = 1;
    while (!isRenamed(files, temporary, path, attempt, platform)) attempt += 1;
  } catch (thrown) {
    removeOwn(files, temporary, thrown);
    throw thrown;
  }
}

/** What was there before is not ours. */
function removeOwn(files: StoreFiles, path: string, thrown: unknown): void {
  if (errorCode(thrown) !== "EEXIST") files.remove(path);
}

/** False when the target is held just now and it is worth another attempt. */
function isRenamed(
  files: StoreFiles,
  from: string,
  to: string,
  attempt: number,
  platform: NodeJS.Platform | undefined,
): boolean {
  try {
    files.rename(from, to);
    return true;
  } catch (thrown) {
    const isBusy = waysOf(platform).locksOpenFiles && BUSY.has(errorCode(thrown) ?? "");
    if (!isBusy || attempt === TRIES) throw thrown;
    return false;
  }
}
