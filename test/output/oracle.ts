// Owns: output files of tests and what was written to them, to compare byte for byte with what is read.
import assert from "node:assert/strict";
import { join } from "node:path";
import type { StreamNumber } from "../../src/output/format.js";
import { openOutput, type OutputReader } from "../../src/output/reader.js";
import { useFolders } from "../fakes/folders.js";

export const LIMIT = 512 * 1024;
const folder = useFolders();

export function newFile(): string {
  return join(folder(), "deep", "er", "proc_1.log");
}

export const clock = () => {
  const time = { at: 1_000_000, now: () => time.at, monotonic: () => time.at };
  return time;
};

/** Everything that was appended, to compare with what is read. */
export class Oracle {
  readonly bytes: { stream: StreamNumber; byte: number }[] = [];

  add(stream: StreamNumber, data: Buffer): void {
    for (const byte of data) this.bytes.push({ stream, byte });
  }
}

/** Reads all, compares each byte and its stream with the oracle, and gives the gaps. */
export function compare(
  reader: OutputReader,
  oracle: Oracle,
  from = 0,
): { at: number; bytes: number }[] {
  const gaps: { at: number; bytes: number }[] = [];
  let at = from;
  for (const { frame, gap } of reader.pieces(from)) {
    if (gap) {
      assert.equal(gap.offset, at);
      gaps.push({ at, bytes: gap.bytes });
      at += gap.bytes;
      continue;
    }
    assert.equal(frame.offset, at);
    for (const byte of frame.data) {
      assert.deepEqual(oracle.bytes[at], { stream: frame.stream, byte }, `byte ${at}`);
      at += 1;
    }
  }
  assert.equal(at, oracle.bytes.length);
  return gaps;
}

export function open(file: string): OutputReader {
  const reader = openOutput(file);
  assert.ok(reader);
  return reader;
}
