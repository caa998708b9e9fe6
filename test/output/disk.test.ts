/** The output on a disk that refuses for a while, in part, or to the end: what is lost is counted and said. */
import assert from "node:assert/strict";
import fs, { readdirSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { basename, dirname } from "node:path";
import { test } from "node:test";
import { STDERR, STDOUT } from "../../src/output/format.js";
import { OutputLog, systemOutputFs, type OutputFs } from "../../src/output/log.js";
import { cutToShare } from "../../src/output/runs.js";
import { openOutput } from "../../src/output/reader.js";
import { clock, compare, LIMIT, newFile, open, Oracle } from "./oracle.js";

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

for (const [where, before] of [
  ["head", 100_000],
  ["ring", 2_000_000],
] as const) {
  test(`in the ${where} a write that takes a part, and nothing until the block is over: a gap, not other bytes`, () => {
    const file = newFile();
    const time = clock();
    const fs = failingFs();
    const log = new OutputLog(file, LIMIT, time, fs);
    const oracle = new Oracle();
    const add = (bytes: number, value: string, step: number) => {
      const data = Buffer.alloc(bytes, value);
      for (let i = 0; i < bytes; i += step) log.append(STDOUT, data.subarray(i, i + step));
      oracle.add(STDOUT, data);
    };
    add(before, "a", 1000);
    fs.partial = true;
    fs.error = "ENOSPC";
    add(200_000, "b", 10_000);
    fs.error = undefined;
    time.at += 600;
    add(20_000, "c", 10_000);
    const reader = open(file);
    const gaps = compare(reader, oracle);
    assert.equal(
      gaps.reduce((sum, gap) => sum + gap.bytes, 0),
      log.dropped,
    );
    reader.close();
    log.close();
  });
}

for (const size of [1, 5000]) {
  test(`a disk that is full in the middle of a write of ${size}: all before it can be read meanwhile`, () => {
    const file = newFile();
    const time = clock();
    let room = 30_000;
    const write: OutputFs["write"] = (fd, data, from, length, position) => {
      const fits = Math.min(length, room - position);
      if (fits <= 0) throw Object.assign(new Error("ENOSPC: the disk is full"), { code: "ENOSPC" });
      return systemOutputFs.write(fd, data, from, fits, position);
    };
    const log = new OutputLog(file, LIMIT, time, { ...systemOutputFs, write });
    const oracle = new Oracle();
    const kept = new Oracle();
    const data = Buffer.alloc(size, "x");
    while (!log.missing) {
      oracle.add(STDERR, data);
      log.append(STDERR, data);
      if (!log.missing) kept.add(STDERR, data);
    }
    const reader = open(file);
    assert.deepEqual(compare(reader, kept), []);
    room = Infinity;
    time.at += 600;
    log.retry();
    assert.deepEqual(compare(reader, oracle), []);
    reader.close();
    log.close();
  });
}

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

test("of a copy for which a full disk has no room nothing stays, and the output does", async (t) => {
  const file = newFile();
  const log = new OutputLog(file, LIMIT, clock());
  log.append(STDOUT, Buffer.alloc(200_000, "a"));
  log.close();
  const { writeSync } = fs;
  let writes = 0;
  t.mock.method(fs, "writeSync", (...args: Parameters<typeof writeSync>) => {
    writes += 1;
    if (writes > 1) throw Object.assign(new Error("ENOSPC: no room"), { code: "ENOSPC" });
    return writeSync(...args);
  });
  syncBuiltinESMExports();
  t.after(() => {
    t.mock.restoreAll();
    syncBuiltinESMExports();
  });
  await assert.rejects(cutToShare(file, LIMIT, clock()), /no room/u);
  assert.deepEqual(readdirSync(dirname(file)), [basename(file)]);
  const reader = open(file);
  assert.equal(reader.end(), 200_000);
  reader.close();
});
