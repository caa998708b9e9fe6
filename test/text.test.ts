import assert from "node:assert/strict";
import { describe, it } from "node:test";
import * as fc from "fast-check";
import { byteSize, elapsed, grouped, oneLine } from "../src/text.js";

void describe("a duration", () => {
  for (const [milliseconds, words] of [
    [-5, "0 ms"],
    [0, "0 ms"],
    [850, "850 ms"],
    [999.6, "1000 ms"],
    [1_000, "1 s"],
    [12_400, "12 s"],
    [59_600, "1 min"],
    [185_000, "3 min 5 s"],
    [3_600_000, "1 h"],
    [7_800_000, "2 h 10 min"],
  ] as const) {
    void it(`${milliseconds} ms: ${words}`, () => assert.equal(elapsed(milliseconds), words));
  }
});

void describe("a number of bytes", () => {
  for (const [bytes, words] of [
    [0, "0 B"],
    [1_023, "1023 B"],
    [8_192, "8.0 KiB"],
    [1_572_864, "1.5 MiB"],
    [5 * 1024 ** 4, "5120.0 GiB"],
  ] as const) {
    void it(`${bytes}: ${words}`, () => assert.equal(byteSize(bytes), words));
  }
});

void it("a whole number has its thousands apart, as the engine would write it", () => {
  fc.assert(
    fc.property(fc.maxSafeInteger(), (value) => {
      assert.equal(grouped(value), value.toLocaleString("en"));
    }),
  );
});

void describe("one line", () => {
  for (const [text, most, line] of [
    ["  a \n\t b\u2028c ", 10, "a b c"],
    ["abcdef", 6, "abcdef"],
    ["abcdefg", 6, "abcde…"],
    ["👨‍👩‍👧👨‍👩‍👧👨‍👩‍👧", 2, "👨‍👩‍👧…"],
    ["", 5, ""],
  ] as const) {
    void it(`${JSON.stringify(text)} in ${most}: ${line}`, () => {
      assert.equal(oneLine(text, most), line);
    });
  }

  void it("is one, bounded and whole, whatever the text", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: "grapheme", maxLength: 3_000 }),
        fc.integer({ min: 2, max: 50 }),
        (text, most) => {
          const line = oneLine(text, most);
          assert.ok(!/[\n\r\u2028\u2029]/u.test(line));
          assert.ok(!/\p{Surrogate}/u.test(line));
          assert.ok([...new Intl.Segmenter().segment(line)].length <= most);
          assert.ok(line.length <= most * 16 + 1);
        },
      ),
    );
  });
});
