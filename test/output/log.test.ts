/** The output file: what is written can be read from the file alone, within its limit, while it is written too. */
import assert from "node:assert/strict";
import fs, { mkdirSync, statSync, truncateSync as systemTruncate, writeFileSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { BLOCK_SIZE, STDERR, STDOUT, type StreamNumber } from "../../src/output/format.js";
import { OutputLog } from "../../src/output/log.js";
import { openOutput } from "../../src/output/reader.js";
import { clock, compare, LIMIT, newFile, open, Oracle } from "./oracle.js";
import { isLinux } from "../process/support.js";

test("no output, no file; and no reader", () => {
  const file = newFile();
  new OutputLog(file, LIMIT, clock()).close();
  assert.equal(openOutput(file), undefined);
});

test("both streams are read back in the order in which they came, while writing and after it", () => {
  const file = newFile();
  const log = new OutputLog(file, LIMIT, clock());
  const oracle = new Oracle();
  const add = (stream: StreamNumber, text: string) => {
    log.append(stream, Buffer.from(text));
    oracle.add(stream, Buffer.from(text));
  };
  add(STDOUT, "one ");
  const reader = open(file);
  compare(reader, oracle);
  add(STDERR, "two ");
  add(STDERR, "three ");
  add(STDOUT, "four\n");
  add(STDOUT, "");
  compare(reader, oracle);
  assert.equal(reader.end(), oracle.bytes.length);
  log.close();
  compare(reader, oracle, 5);
  reader.close();
  assert.equal(log.bytes, oracle.bytes.length);
  assert.equal(log.dropped, 0);
});

test("the newest block of many is found with a few looks, before and after the ring has gone round", (t) => {
  const file = newFile();
  const log = new OutputLog(file, 16 * 1024 * 1024, clock());
  const reads = t.mock.method(fs, "readSync");
  syncBuiltinESMExports();
  t.after(() => {
    reads.mock.restore();
    syncBuiltinESMExports();
  });
  const block = Buffer.alloc(BLOCK_SIZE, "x");
  for (let blocks = 1; blocks <= 600; blocks += 1) {
    log.append(STDOUT, block);
    if (blocks % 37 !== 1) continue;
    const before = reads.mock.callCount();
    const reader = open(file);
    // One for the file, two for the ends of the search, and one for each halving of 256 blocks.
    assert.ok(reads.mock.callCount() - before <= 3 + 8, `${blocks} blocks`);
    assert.equal(reader.end(), log.bytes);
    reader.close();
  }
  log.close();
});

test("each piece is read back with the time at which it came, to a hundredth of a second", () => {
  const file = newFile();
  const time = clock();
  const log = new OutputLog(file, LIMIT, time);
  const pieces: { text: string; at: number }[] = [];
  const add = (after: number, text: string) => {
    time.at += after;
    log.append(STDOUT, Buffer.from(text));
    pieces.push({ text, at: time.at });
  };
  add(0, "at once ");
  add(9, "with it ");
  add(1, "later ");
  add(-5_000, "the clock was set back ");
  add(3 * 86_400_000, "after three days ");
  // Over the end of a block.
  add(40, "x".repeat(2 * BLOCK_SIZE));
  log.close();
  const reader = open(file);
  const read = [...reader.pieces()].flatMap(({ frame }) => frame ?? []);
  reader.close();
  const start = pieces[0]?.at ?? 0;
  assert.deepEqual(
    read.slice(0, 5).map(({ data, at = 0 }) => [data.toString().slice(0, 24), at - start]),
    [
      ["at once with it ", 0],
      ["later the clock was set ", 10],
      ["after three days ", 3 * 86_400_000 - 4_990],
      ["x".repeat(24), 3 * 86_400_000 - 4_950],
      ["x".repeat(24), 3 * 86_400_000 - 4_950],
    ],
  );
});

test("an output that an earlier version wrote, without times, is read", () => {
  const file = newFile();
  mkdirSync(dirname(file), { recursive: true });
  const header = Buffer.alloc(64);
  header.write("OBMOUT1\n", "latin1");
  for (const [at, value] of [65_536, 5, 2].entries()) header.writeUInt32LE(value, 8 + at * 4);
  const block = Buffer.alloc(16 + 4 + 4 + 4 + 3);
  block.writeUInt32LE(1, 0);
  block.writeUInt32LE(0x6f62_6d31, 4);
  block.writeUInt32LE(4 * 2 + STDOUT, 16);
  block.write("out\n", 20);
  block.writeUInt32LE(3 * 2 + STDERR, 24);
  block.write("err", 28);
  writeFileSync(file, Buffer.concat([header, block]));
  const reader = open(file);
  assert.deepEqual(
    [...reader.pieces()].map(({ frame }) => [frame?.stream, frame?.data.toString(), frame?.at]),
    [
      [STDOUT, "out\n", undefined],
      [STDERR, "err", undefined],
    ],
  );
  reader.close();
});

test(
  "the file is for its owner only and is made when the first output comes",
  { skip: !isLinux },
  () => {
    const file = newFile();
    const log = new OutputLog(file, LIMIT, clock());
    log.append(STDOUT, Buffer.from("x"));
    assert.equal(statSync(file).mode & 0o777, 0o600);
    assert.equal(statSync(join(file, "..")).mode & 0o777, 0o700);
    log.close();
  },
);

// Piece sizes around every edge: of a frame that is joined, of a block, of several blocks; and 4091, sixteen of
// which fill a block, so that old frames lie exactly where new ones will.
for (const size of [
  1,
  7,
  100,
  2047,
  2048,
  4091,
  4096,
  BLOCK_SIZE - 20,
  BLOCK_SIZE,
  3 * BLOCK_SIZE + 1,
]) {
  test(`pieces of ${size} bytes: head and newest part are kept byte for byte, within the limit`, () => {
    const file = newFile();
    const log = new OutputLog(file, LIMIT, clock());
    const oracle = new Oracle();
    const total = size === 1 ? 700 * 1024 : Math.max(2 * 1024 * 1024, 4 * size);
    let seed = size;
    for (let written = 0; written < total; written += size) {
      seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
      // Long runs of one stream with switches between them: single bytes must not cost five each.
      const stream = Math.floor(written / 5000) % 2 === 0 ? STDOUT : STDERR;
      const data = Buffer.alloc(size, seed % 256);
      log.append(stream, data);
      oracle.add(stream, data);
    }
    assert.ok(statSync(file).size <= LIMIT, `${statSync(file).size} bytes on disk`);
    const reader = open(file);
    const gaps = compare(reader, oracle);
    assert.equal(gaps.length, 1);
    assert.ok((gaps[0]?.at ?? 0) >= 256 * 1024, `head of ${gaps[0]?.at} bytes`);
    assert.equal(gaps[0]?.bytes, log.dropped);
    log.close();
    compare(reader, oracle);
    // From anywhere, also from within the gap.
    for (const from of [1, 255 * 1024, gaps[0]?.at ?? 0, 700 * 1024, log.bytes - 1, log.bytes]) {
      compare(reader, oracle, from);
    }
    reader.close();
  });
}

test("a reader that was opened long ago, also at the very start, follows a writer that lapped it", () => {
  for (const first of [1, 100, 400]) followLapping(first * 1024);
});

function followLapping(first: number): void {
  const file = newFile();
  const log = new OutputLog(file, LIMIT, clock());
  const oracle = new Oracle();
  const add = (bytes: number, value: number) => {
    const data = Buffer.alloc(bytes, value);
    log.append(STDOUT, data);
    oracle.add(STDOUT, data);
  };
  add(first, 1);
  const reader = open(file);
  compare(reader, oracle);
  for (let i = 0; i < 20; i++) add(50_000, i);
  compare(reader, oracle);
  assert.equal(reader.end(), oracle.bytes.length);
  // In the middle of reading, too: the pieces are right or a gap, never wrong.
  let at = 0;
  let round = 0;
  for (const { frame, gap } of reader.pieces()) {
    if (gap) at += gap.bytes;
    else {
      for (const byte of frame.data) assert.equal(oracle.bytes[at++]?.byte, byte);
    }
    if (round++ < 30) add(60_000, round);
  }
  assert.equal(at, oracle.bytes.length);
  reader.close();
  log.close();
}

test("a file that is not an output, or is cut short, gives no wrong text", () => {
  const file = newFile();
  const log = new OutputLog(file, LIMIT, clock());
  log.append(STDOUT, Buffer.alloc(100_000, "a"));
  log.close();
  assert.equal(openOutput(import.meta.filename), undefined);
  const position = 64 + 50_000;
  systemTruncate(file, position);
  const reader = open(file);
  for (const { frame } of reader.pieces()) if (frame) assert.match(frame.data.toString(), /^a*$/);
  reader.close();
});
