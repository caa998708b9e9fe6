/** Lists folders that may be missing, half made or not ours to read: then there is nothing in them. */
import { readdirSync, type Dirent } from "node:fs";

/** Never throws. */
export function entriesOf(path: string): Dirent[] {
  try {
    return readdirSync(path, { withFileTypes: true });
  } catch {
    // Missing, no folder, or no right to read it: the same to whoever asks what is in it.
    return [];
  }
}

/** The names of the real folders in it; a symbolic link to one is none. Never throws. */
export function foldersIn(path: string): string[] {
  return entriesOf(path)
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name);
}
