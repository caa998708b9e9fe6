// Owns: a disk that can be steered: watched step by step, failing at one of them, or only in memory.
import { diskFiles, type StoreFiles } from "../../src/store/files.js";

export type Step = "open" | "write" | "sync" | "close" | "rename" | "remove" | "folder";
export const WRITE_STEPS: readonly Step[] = ["open", "write", "sync", "close", "rename"];

/** The disk (or another file system) with a word before each step: what `before` throws is the step's error. */
export function watched(before: (step: Step) => void, files: StoreFiles = diskFiles): StoreFiles {
  return {
    async create(path) {
      before("open");
      const file = await files.create(path);
      return {
        async write(text) {
          before("write");
          await file.write(text);
        },
        async sync() {
          before("sync");
          await file.sync();
        },
        async close() {
          await file.close();
          before("close");
        },
      };
    },
    createSync(path) {
      before("open");
      const file = files.createSync(path);
      return {
        write(text) {
          before("write");
          file.write(text);
        },
        sync() {
          before("sync");
          file.sync();
        },
        close() {
          file.close();
          before("close");
        },
      };
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
    touch(path) {
      files.touch(path);
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

  async create(path: string) {
    const file = this.createSync(path);
    return {
      write: async (text: string) => file.write(text),
      sync: async () => file.sync(),
      close: async () => file.close(),
    };
  }

  createSync(path: string) {
    if (this.texts.has(path)) throw new SystemError("EEXIST");
    this.texts.set(path, "");
    return {
      write: (text: string) => void this.texts.set(path, text),
      sync: () => undefined,
      close: () => undefined,
    };
  }

  rename(from: string, to: string): void {
    const text = this.texts.get(from);
    if (text === undefined) throw new SystemError("ENOENT");
    this.texts.delete(from);
    this.texts.set(to, text);
  }

  remove(path: string): void {
    this.texts.delete(path);
  }

  makeFolder(): void {
    // A map needs none.
  }

  touch(): void {
    // A map has no times.
  }
}
