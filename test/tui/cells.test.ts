// Text in cells: whatever a name or an output holds, a row is never wider than said and no character
// is cut in two.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as fc from "fast-check";
import { cells, clean, cleanOutput, fit, pad, skip, wrap, wrapWords } from "../../src/cells.js";

const segments = (text: string) => Array.from(new Intl.Segmenter().segment(text), (s) => s.segment);

const mixed = fc
  .array(
    fc.constantFrom(
      "a",
      "ß",
      "e\u0301",
      "查",
      "한",
      "🚀",
      "👩🏽‍🚀",
      "🇪🇺",
      "❤️",
      "1️⃣",
      " ",
      "…",
      "ｆ",
      "\u200d",
    ),
    { maxLength: 40 },
  )
  .map((parts) => parts.join(""));

void describe("cells", () => {
  test("are counted as a terminal counts them", () => {
    const widths: [string, number][] = [
      ["", 0],
      ["plain", 5],
      ["查找", 4],
      ["e\u0301", 1],
      ["🚀", 2],
      ["👩🏽‍🚀", 2],
      ["🇪🇺", 2],
      ["❤️", 2],
      ["ｆ", 2],
      ["…", 1],
      ["●▲✓✗■○◌", 7],
    ];
    for (const [text, width] of widths) assert.equal(cells(text), width, JSON.stringify(text));
  });

  test("a text that fits is left alone, a longer one ends with an ellipsis", () => {
    assert.equal(fit("dev server", 10), "dev server");
    assert.equal(fit("dev server", 9), "dev serv…");
    assert.equal(fit("dev server", 5), "dev…");
    assert.equal(fit("查找所有", 4), "查…");
    assert.equal(fit("查找所有", 5), "查找…");
    assert.equal(fit("x", 0), "");
    assert.equal(pad("查", 5), "查   ");
  });

  test("cutting keeps to the width and to whole characters, for any text", () => {
    fc.assert(
      fc.property(mixed, fc.integer({ min: 1, max: 30 }), (text, width) => {
        const short = fit(text, width);
        assert.ok(cells(short) <= width);
        const kept = segments(short.replace(/…$/u, "").trimEnd());
        assert.deepEqual(kept, segments(text).slice(0, kept.length));
      }),
    );
  });

  test("wrapping loses nothing and keeps to the width, unless one character is wider", () => {
    fc.assert(
      fc.property(mixed, fc.integer({ min: 2, max: 30 }), (text, width) => {
        const rows = wrap(text, width);
        assert.equal(rows.join(""), text);
        for (const row of rows) assert.ok(cells(row) <= width);
      }),
    );
    assert.deepEqual(wrap("查找", 1), ["查", "找"]);
    assert.deepEqual(wrap("", 10), [""]);
  });

  test("between words nothing is lost either, and only a long word is broken", () => {
    fc.assert(
      fc.property(mixed, fc.integer({ min: 2, max: 30 }), (text, width) => {
        const rows = wrapWords(text, width);
        assert.equal(rows.join("").replaceAll(" ", ""), text.replaceAll(" ", ""));
        for (const row of rows) assert.ok(cells(row) <= width);
      }),
    );
    assert.deepEqual(wrapWords("echo one two", 8), ["echo one", "two"]);
    assert.deepEqual(wrapWords("cat averylongword x", 6), ["cat", "averyl", "ongwor", "d x"]);
    assert.deepEqual(wrapWords("", 10), [""]);
  });

  test("a row can be shifted", () => {
    assert.equal(skip("abcdef", 2), "cdef");
    assert.equal(skip("查找ab", 3), "ab");
    assert.equal(skip("ab", 9), "");
  });
});

void describe("foreign text", () => {
  test("cannot move the cursor, ring, or turn the direction of writing", () => {
    const nasty = "\u001b[2J\u001b]0;title\u0007a\u202eb\nc\td\u0000\u009b";
    assert.equal(clean(nasty), "ab c d");
    assert.equal(cleanOutput("\u001b[31mred\u001b[0m\tx\r"), "red x");
    assert.equal(cleanOutput("  kept   spaces"), "  kept   spaces");
  });

  test("never leaves a control character, for any text", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        assert.doesNotMatch(clean(text), /\p{Cc}/u);
        assert.doesNotMatch(cleanOutput(text), /\p{Cc}/u);
      }),
    );
  });
});
