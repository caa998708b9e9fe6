/** Reads a state file that may be anything by now, and says what is the matter instead of throwing. */
import { readText, NotAFile } from "./read-text.js";
import { errorCode } from "./files.js";
import { parseState, type StateReading } from "./state-file.js";
import { coerceError } from "../ports.js";

export type FileReading =
  | StateReading
  | { kind: "missing" }
  /** Something is in its place that is no file of ours: a link, a folder, a pipe, a file without rights. */
  | { kind: "misplaced"; problem: string }
  /** The system could not say just now (too many open files, a disk's fault): it may be able to later. */
  | { kind: "unavailable"; problem: string };

const MISPLACED = new Set(["ELOOP", "EISDIR", "EACCES", "EPERM", "EMLINK", "ENXIO"]);

export async function readStateFile(path: string): Promise<FileReading> {
  let text: string;
  try {
    text = await readText(path);
  } catch (thrown) {
    const code = errorCode(thrown);
    if (code === "ENOENT" || code === "ENOTDIR") return { kind: "missing" };
    const problem = coerceError(thrown).message;
    const misplaced = thrown instanceof NotAFile || (code !== undefined && MISPLACED.has(code));
    return { kind: misplaced ? "misplaced" : "unavailable", problem };
  }
  return parseState(text);
}
