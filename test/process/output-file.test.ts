/** The output file: what is written can be read from the file alone, within its limit, also on a failing disk. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, statSync, truncateSync as systemTruncate } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, test } from "node:test";
import { BLOCK_SIZE, STDERR, STDOUT, type StreamNumber } from "../../src/process/output-format.js";
import { OutputLog, systemOutputFs, type OutputFs } from "../../src/process/output-log.js";
import { openOutput, type OutputReader } from "../../src/process/output-reader.js";
import { isLinux } from "./support.js";

const LIMIT = 512 * 1024;
const folders: string[] = [];

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

function newFile(): string {
  const folder = mkdtempSync(join(tmpdir(), "ocbm-output-"));
  folders.push(folder);
  return join(folder, "deep", "er", "proc_1.log");
}

const clock = () => {
  const time = { at: 1_000_000, now: () => time.at };
  return time;
};

/** Everything that was appended, to compare with what is read. */
class Oracle {
  readonly bytes: { stream: StreamNumber; byte: number }[] = [];

  add(stream: StreamNumber, data: Buffer): void {
    for (const byte of data) this.bytes.push({ stream, byte });
  }
}

/** Reads all, compares each byte and its stream with the oracle, and gives the gaps. */
function compare(reader: OutputReader, oracle: Oracle, from = 0): { at: number; bytes: number }[] {
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

function open(file: string): OutputReader {
  const reader = openOutput(file);
  assert.ok(reader);
  return reader;
}

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

/** A disk that refuses while `error` is set. */
function failingFs(): OutputFs & { error: string | undefined; partial: boolean; opened: number } {
  const fs = {
    ...systemOutputFs,
    error: unset(),
    partial: false,
    opened: 0,
    open(file: string, flags: string, mode: number) {
      fail();
      fs.opened += 1;
      return systemOutputFs.open(file, flags, mode);
    },
    write(fd: number, data: Buffer, from: number, length: number, position: number) {
      if (fs.partial) {
        fs.partial = false;
        return systemOutputFs.write(fd, data, from, Math.ceil(length / 2), position);
      }
      fail();
      return systemOutputFs.write(fd, data, from, length, position);
    },
  };
  const fail = () => {
    if (fs.error)
      throw Object.assign(new Error(`${fs.error}: the disk refuses`), { code: fs.error });
  };
  return fs;
}

for (const code of ["ENOSPC", "EIO", "EBADF"]) {
  test(`${code}: a short failure loses nothing, and nothing is said to be missing afterwards`, () => {
    const file = newFile();
    const time = clock();
    const fs = failingFs();
    const log = new OutputLog(file, LIMIT, time, fs);
    const oracle = new Oracle();
    const add = (text: string) => {
      log.append(STDOUT, Buffer.from(text));
      oracle.add(STDOUT, Buffer.from(text));
    };
    add("before\n");
    fs.error = code;
    add("meanwhile\n");
    assert.deepEqual(log.missing, { since: new Date(time.at), error: `${code}: the disk refuses` });
    fs.error = undefined;
    add("too soon to ask again\n");
    assert.ok(log.missing);
    time.at += 600;
    log.retry();
    assert.equal(log.missing, undefined);
    add("after\n");
    const reader = open(file);
    assert.deepEqual(compare(reader, oracle), []);
    reader.close();
    log.close();
    assert.equal(log.dropped, 0);
  });

  test(`${code}: a long failure loses what does not fit into memory, and says since when`, () => {
    const file = newFile();
    const time = clock();
    const fs = failingFs();
    const log = new OutputLog(file, LIMIT, time, fs);
    const oracle = new Oracle();
    const add = (bytes: number, value: string) => {
      const data = Buffer.alloc(bytes, value);
      for (let i = 0; i < bytes; i += 10_000) log.append(STDOUT, data.subarray(i, i + 10_000));
      oracle.add(STDOUT, data);
    };
    add(100_000, "a");
    fs.error = code;
    const since = time.at;
    add(300_000, "b");
    time.at += 10_000;
    add(10_000, "b");
    fs.error = undefined;
    time.at += 600;
    add(100_000, "c");
    assert.equal(log.missing?.since.getTime(), since);
    assert.ok(log.dropped > 200_000 && log.dropped < 310_000, `${log.dropped} dropped`);
    const reader = open(file);
    const gaps = compare(reader, oracle);
    assert.equal(
      gaps.reduce((sum, gap) => sum + gap.bytes, 0),
      log.dropped,
    );
    assert.equal(log.bytes, 510_000);
    reader.close();
    log.close();
  });
}

test("a write that takes only a part is continued", () => {
  const file = newFile();
  const fs = failingFs();
  const log = new OutputLog(file, LIMIT, clock(), fs);
  const oracle = new Oracle();
  for (const text of ["first", "second", "third"]) {
    fs.partial = true;
    log.append(STDERR, Buffer.from(text));
    oracle.add(STDERR, Buffer.from(text));
  }
  const reader = open(file);
  compare(reader, oracle);
  reader.close();
  log.close();
});

test("a folder that cannot be made is tried again later, and nothing throws meanwhile", () => {
  const file = newFile();
  const time = clock();
  const fs = failingFs();
  fs.error = "EACCES";
  const log = new OutputLog(file, LIMIT, time, fs);
  log.append(STDOUT, Buffer.from("kept in memory"));
  assert.match(log.missing?.error ?? "", /EACCES/);
  assert.equal(openOutput(file), undefined);
  fs.error = undefined;
  time.at += 600;
  log.close();
  const reader = open(file);
  const texts = [...reader.pieces()].map(({ frame }) => frame?.data.toString());
  assert.deepEqual(texts, ["kept in memory"]);
  reader.close();
  assert.equal(log.missing, undefined);
});

test("a disk that refuses to the end: closing counts what is lost", () => {
  const fs = failingFs();
  const log = new OutputLog(newFile(), LIMIT, clock(), fs);
  log.append(STDOUT, Buffer.from("a"));
  fs.error = "ENOSPC";
  log.append(STDOUT, Buffer.from("bcd"));
  log.close();
  assert.equal(log.dropped, 3);
  assert.ok(log.missing);
  log.append(STDOUT, Buffer.from("after the end"));
  assert.equal(log.bytes, 17);
});

function unset(): string | undefined {
  return undefined;
}
