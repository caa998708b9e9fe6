/** What the output of a process says in a line or a word: the first address that it names, and its last line. */
import { clean } from "../cells.js";
import { readPage, type PlainLine } from "../output/page.js";
import { openOutput } from "../output/reader.js";
import { coerceError } from "../ports.js";
import { outputPath } from "../store/instance-folder.js";
import type { ShownJob } from "./describe.js";

/** A server says early where it is. */
const HEAD = 32 * 1024;
const TAIL = 4 * 1024;

const ADDRESS = /https?:\/\/[^\s"'<>()[\]{}\\^`|]+/u;

export function firstAddress(shown: ShownJob): string | undefined {
  const lines = read(shown, () => 0, HEAD);
  for (const { text, gap } of lines) {
    const [address] = gap === undefined ? (ADDRESS.exec(text) ?? []) : [];
    if (address !== undefined) return address.replace(/[.,;:!?]+$/u, "");
  }
  return undefined;
}

/** The last line that says something. */
export function lastLine(shown: ShownJob): string | undefined {
  const lines = read(shown, (end) => Math.max(0, end - TAIL), TAIL);
  const last = lines.findLast(({ text, gap }) => gap === undefined && clean(text) !== "");
  return last && clean(last.text);
}

function read(
  { job, folder }: ShownJob,
  from: (end: number) => number,
  window: number,
): readonly PlainLine[] {
  if (job.kind !== "process") return [];
  try {
    const reader = openOutput(outputPath(folder, job.id));
    if (!reader) return [];
    try {
      return readPage(reader, { from: from(reader.end()), window }).lines;
    } finally {
      reader.close();
    }
  } catch (thrown) {
    // What cannot be read is told by the log; a row of a list goes without.
    return [{ text: coerceError(thrown).message, offset: 0, gap: 0 }];
  }
}
