/** Lines out of pieces: whole characters, bounded length, places; and the prefix that makes it cheap. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { LineReader } from "../../src/output/line-reader.js";
import { plainLine } from "../../src/output/plain-text.js";

/** Cuts a text into pieces and gives the lines with their places. */
function readLines(reader: LineReader, data: Buffer, cuts: readonly number[]): [string, number][] {
  const found: [string, number][] = [];
  const edges = [
    0,
    ...cuts.map((cut) => cut % (data.length + 1)).sort((a, b) => a - b),
    data.length,
  ];
  const add = (batch: ReturnType<LineReader["push"]>) => {
    const offsets = batch?.offsets() ?? [];
    for (const [i, line] of (batch?.lines ?? []).entries()) found.push([line, offsets[i] ?? -1]);
  };
  for (let i = 1; i < edges.length; i++) {
    add(reader.push(data.subarray(edges[i - 1], edges[i]), edges[i - 1]));
  }
  add(reader.end());
  return found;
}

test("however the output is cut, the lines and their places are the same", () => {
  const text = fc.string({ unit: fc.constantFrom("a", "\n", "€", "𝄞", "\r") });
  fc.assert(
    fc.property(text, fc.array(fc.nat()), (whole, cuts) => {
      const data = Buffer.from(whole);
      const expected: [string, number][] = [];
      let at = 0;
      for (const line of whole.split("\n")) {
        expected.push([line, at]);
        at += Buffer.byteLength(line) + 1;
      }
      // What has no newline at the end is a line only if there is something in it.
      if (expected.at(-1)?.[0] === "") expected.pop();
      const reader = new LineReader(Number.POSITIVE_INFINITY);
      assert.deepEqual(readLines(reader, data, cuts), expected);
    }),
  );
});

test("of a line of any length only its beginning is kept, and the next one is whole", () => {
  const reader = new LineReader(1000);
  const piece = Buffer.alloc(100_000, "x");
  for (let i = 0; i < 1000; i++) assert.equal(reader.push(piece), undefined);
  const batch = reader.push(Buffer.from("x\nnext\n"));
  assert.deepEqual(batch?.lines, ["x".repeat(1000), "next"]);
});

test("of a longer line with carriage returns what stands last is kept, however it is cut", () => {
  const piece = fc.constantFrom("a", "b", "\r", "€", "abcdefgh", "abcdefgh\r", "\r\n");
  const text = fc.array(piece, { maxLength: 40, size: "max" }).map((pieces) => pieces.join(""));
  fc.assert(
    fc.property(text, fc.array(fc.nat()), (whole, cuts) => {
      const most = 20;
      const reader = new LineReader(most);
      const found = readLines(reader, Buffer.from(whole), cuts).map(([line]) => plainLine(line));
      const lines = whole.split("\n");
      if (lines.at(-1) === "") lines.pop();
      assert.equal(found.length, lines.length);
      for (const [i, line] of lines.entries()) {
        const last = plainLine(line);
        if (Buffer.byteLength(last) <= most) assert.equal(found[i], last);
      }
    }),
    { numRuns: 2000 },
  );
});

test("a bar that clears its line at the end is kept as it stood", () => {
  const reader = new LineReader(40);
  for (let i = 0; i < 100; i++) reader.push(Buffer.from(`\r\u001b[Kstep ${i}`));
  const [line = ""] = reader.push(Buffer.from("\r\u001b[K\n"))?.lines ?? [];
  assert.equal(plainLine(line), "step 99");
  assert.equal(reader.cutLines, 0);
});

test("with a prefix every line that begins with it comes, whole, however it is cut", () => {
  const prefix = "NOTE:";
  const line = fc.constantFrom("NOTE:", "NOTE: text", "NOT", "N", "", "x NOTE: no", "NOTE:€");
  fc.assert(
    fc.property(fc.array(line), fc.array(fc.nat()), (lines, cuts) => {
      const data = Buffer.from(lines.map((text) => `${text}\n`).join(""));
      const reader = new LineReader(100, Buffer.from(prefix));
      const found = readLines(reader, data, cuts).map(([text]) => text);
      assert.deepEqual(
        found.filter((text) => text.startsWith(prefix)),
        lines.filter((text) => text.startsWith(prefix)),
      );
    }),
  );
});
