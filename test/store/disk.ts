// Owns: a disk that can be steered: watched step by step, failing at one of them, or only in memory.
import { diskFiles, type StoreFiles } from "../../src/store/files.js";

export type Step = "open" | "write" | "sync" | "close" | "rename" | "remove" | "folder";
export const WRITE_STEPS: readonly Step[] = ["open", "write", "sync", "close", "rename"];

/** The disk (or another file system) with a word before each step: what `before` throws is the step's error. */
export function watched(before: (step: Step) => void, files: StoreFiles = diskFiles): StoreFiles {
  /** What a write that fails leaves of its text: the half of it, before the error is thrown. */
  function* partOf(text: string): Generator<string> {
    try {
      before("write");
    } catch (thrown) {
      yield text.slice(0, text.length / 2);
      throw thrown;
    }
  }
  return {
    async create(path, text) {
      before("open");
      for (const part of partOf(text)) await files.create(path, part);
      await files.create(path, text);
      before("sync");
      before("close");
    },
    createSync(path, text) {
      before("open");
      for (const part of partOf(text)) files.createSync(path, part);
      files.createSync(path, text);
      before("sync");
      before("close");
    },
    rename(from, to) {
      before("rename");
      files.rename(from, to);
    },
    remove(path) {
      before("remove");
      files.remove(path);
    },
    makeFolder(path) {
      before("folder");
      files.makeFolder(path);
    },
  };
}

export class SystemError extends Error {
  readonly code: string;
  constructor(code: string) {
    super(`${code}: injected`);
    this.code = code;
  }
}

/** Files in a map: promises resolve at once, so that a fake clock is all the time there is. */
export class MemoryFiles implements StoreFiles {
  readonly texts = new Map<string, string>();
  renames = 0;

  async create(path: string, text: string): Promise<void> {
    this.createSync(path, text);
  }

  createSync(path: string, text: string): void {
    if (this.texts.has(path)) throw new SystemError("EEXIST");
    this.texts.set(path, text);
  }

  rename(from: string, to: string): void {
    const text = this.texts.get(from);
    if (text === undefined) throw new SystemError("ENOENT");
    this.texts.delete(from);
    this.texts.set(to, text);
    this.renames += 1;
  }

  remove(path: string): void {
    this.texts.delete(path);
  }

  makeFolder(): void {
    // A map needs none.
  }
}
