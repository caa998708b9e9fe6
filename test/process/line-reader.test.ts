/** Lines out of pieces: whole characters, bounded length, places; and the prefix that makes it cheap. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { LineReader } from "../../src/process/line-reader.js";

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
      const reader = new LineReader({ maxLine: Number.POSITIVE_INFINITY });
      assert.deepEqual(readLines(reader, data, cuts), expected);
    }),
  );
});

test("of a line of any length only its beginning is kept, and the next one is whole", () => {
  const reader = new LineReader({ maxLine: 1000 });
  const piece = Buffer.alloc(100_000, "x");
  for (let i = 0; i < 1000; i++) assert.equal(reader.push(piece), undefined);
  const batch = reader.push(Buffer.from("x\nnext\n"));
  assert.deepEqual(batch?.lines, ["x".repeat(1000), "next"]);
});

test("with a prefix every line that begins with it comes, whole, however it is cut", () => {
  const prefix = "NOTE:";
  const line = fc.constantFrom("NOTE:", "NOTE: text", "NOT", "N", "", "x NOTE: no", "NOTE:€");
  fc.assert(
    fc.property(fc.array(line), fc.array(fc.nat()), (lines, cuts) => {
      const data = Buffer.from(lines.map((text) => `${text}\n`).join(""));
      const reader = new LineReader({ maxLine: 100, prefix: Buffer.from(prefix) });
      const found = readLines(reader, data, cuts).map(([text]) => text);
      assert.deepEqual(
        found.filter((text) => text.startsWith(prefix)),
        lines.filter((text) => text.startsWith(prefix)),
      );
    }),
  );
});
