/**
 * The few calls that change the disk, behind one small interface: a test puts a fault at any of them. Promises
 * that whatever is made is for the user alone (files 0600, folders 0700) whatever the umask says, and that
 * nothing is ever written through a symbolic link. Reading is in `read-text.ts`.
 */
import {
  chmodSync,
  closeSync,
  fchmodSync,
  fsyncSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { open } from "node:fs/promises";
import { dirname } from "node:path";

/** A file that was just made, so that nobody else has it open. */
export interface NewFile {
  write(text: string): Promise<void>;
  /** On the disk, not only in the system's memory: fsync(2). */
  sync(): Promise<void>;
  close(): Promise<void>;
}

export interface NewFileSync {
  write(text: string): void;
  sync(): void;
  close(): void;
}

/** Every call throws (or rejects with) the system's error; its `code` is the errno's name. */
export interface StoreFiles {
  /** open(2) with O_EXCL: fails where anything is, a symbolic link too. */
  create(path: string): Promise<NewFile>;
  createSync(path: string): NewFileSync;
  /** rename(2): replaces a file, and a symbolic link itself rather than what it points at. */
  rename(from: string, to: string): void;
  /** A file, a link (not its target) or a whole folder; fine when there is none. */
  remove(path: string): void;
  /** With all parents that are missing; fine when it exists. */
  makeFolder(path: string): void;
}

const PRIVATE_FILE = 0o600;
const PRIVATE_FOLDER = 0o700;

export const diskFiles: StoreFiles = {
  async create(path) {
    const handle = await open(path, "wx", PRIVATE_FILE);
    return {
      async write(text) {
        // The umask may have taken the owner's own rights away.
        await handle.chmod(PRIVATE_FILE);
        await handle.writeFile(text);
      },
      sync: () => handle.sync(),
      close: () => handle.close(),
    };
  },
  createSync(path) {
    const descriptor = openSync(path, "wx", PRIVATE_FILE);
    return {
      write(text) {
        fchmodSync(descriptor, PRIVATE_FILE);
        writeFileSync(descriptor, text);
      },
      sync: () => fsyncSync(descriptor),
      close: () => closeSync(descriptor),
    };
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

/** The errno's name of a failed call, for example ENOENT. */
export function errorCode(thrown: unknown): string | undefined {
  if (!(thrown instanceof Error) || !("code" in thrown)) return undefined;
  return typeof thrown.code === "string" ? thrown.code : undefined;
}
