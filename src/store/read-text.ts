/**
 * Reads small files that somebody else may have put there: never through a symbolic link, and never from
 * anything but a plain file (a pipe in its place would stop the host).
 */
import { closeSync, constants, fstatSync, openSync, readFileSync, readSync } from "node:fs";
import { open } from "node:fs/promises";

// Windows knows neither flag; there `undefined` becomes 0 in the `|`.
const FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** Rejects with the system's error (open, read); for a link the code is ELOOP. */
export async function readText(path: string): Promise<string> {
  const handle = await open(path, FLAGS);
  try {
    if (!(await handle.stat()).isFile()) throw new NotAFile(path);
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
    if (!fstatSync(descriptor).isFile()) throw new NotAFile(path);
    return read(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

export class NotAFile extends Error {
  override readonly name = "NotAFile";
  constructor(path: string) {
    super(`${path} is not a plain file`);
  }
}
