// Where a log view stands when lines come, are loaded before it, or are laid out anew.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  around,
  FOLLOW,
  hitsIn,
  labelOf,
  layRows,
  moved,
  topOf,
  type LogLine,
  type Position,
} from "../../src/tui/log/log-rows.js";
import { finds } from "../../src/text.js";

function lines(from: number, to: number, text = (n: number) => `line ${n}`): LogLine[] {
  return Array.from({ length: to - from }, (_, index) => ({
    offset: (from + index) * 10,
    text: text(from + index),
    tone: "text",
  }));
}

const wide = { width: 80, wrap: true, left: 0 };

function at(rows: ReturnType<typeof layRows>, position: Position, height: number) {
  return rows[topOf(rows, position, height)]?.text;
}

test("time and source stand before a line, of equal width, and not before its further rows", () => {
  const at = new Date(2026, 10, 21, 9, 5, 7).getTime();
  const [first] = lines(0, 1, () => "abcdef");
  assert.ok(first);
  const line = { ...first, at, stream: "stderr" as const };
  const layout = { width: 16, wrap: true, left: 0 };
  const label = labelOf({ time: true, stream: true });
  assert.deepEqual(
    layRows([line, { ...first, text: "" }], { ...layout, label }).map((row) => [
      row.label,
      row.text,
      row.start,
    ]),
    [
      ["09:05:07 err ", "abc", 0],
      [" ".repeat(13), "def", 3],
      [`${" ".repeat(9)}out `, "", 0],
    ],
  );
  assert.equal(labelOf({ time: false, stream: false })(line), "");
});

void describe("the window of a log", () => {
  const rows = layRows(lines(0, 100), wide);

  test("follows the end, also when lines come", () => {
    assert.equal(at(rows, FOLLOW, 10), "line 90");
    assert.equal(at(layRows(lines(0, 103), wide), FOLLOW, 10), "line 93");
    assert.equal(topOf(layRows(lines(0, 3), wide), FOLLOW, 10), 0);
  });

  test("stands still when lines come, once it was moved", () => {
    const position = moved(rows, FOLLOW, 10, -5);
    assert.equal(at(rows, position, 10), "line 85");
    assert.equal(at(layRows(lines(0, 200), wide), position, 10), "line 85");
    assert.equal(at(layRows(lines(-50, 200), wide), position, 10), "line 85");
  });

  test("stays within the log", () => {
    assert.equal(at(rows, moved(rows, FOLLOW, 10, -1000), 10), "line 0");
    assert.equal(at(rows, moved(rows, FOLLOW, 10, 1000), 10), "line 90");
    assert.equal(moved([], FOLLOW, 10, -1), FOLLOW);
  });

  test("goes to what is left when its line is gone", () => {
    const position = moved(rows, FOLLOW, 10, -1000);
    assert.equal(at(layRows(lines(40, 100), wide), position, 10), "line 40");
  });

  test("keeps its line when the terminal gets narrower", () => {
    const long = lines(0, 30, (n) => `line ${n} ${"x".repeat(50)}`);
    const before = layRows(long, wide);
    const position = moved(before, FOLLOW, 10, -5);
    const after = layRows(long, { ...wide, width: 20 });
    assert.match(at(before, position, 10) ?? "", /^line 15 /);
    assert.match(at(after, position, 10) ?? "", /^line 15 /);
  });

  test("keeps its line between lines of two streams that overlap", () => {
    const mixed: LogLine[] = [
      { offset: 0, text: "a", tone: "text" },
      { offset: 30, text: "b", tone: "text" },
      { offset: 10, text: "c, begun earlier", tone: "warning" },
      { offset: 40, text: "d", tone: "text" },
    ];
    const laid = layRows(mixed, wide);
    assert.equal(at(laid, { offset: 10, part: 0 }, 1), "c, begun earlier");
  });
});

void describe("without wrap", () => {
  test("a line is one row, cut at its end, and can be shifted", () => {
    const long = lines(0, 1, () => "0123456789abcdef");
    const narrow = { width: 8, wrap: false };
    assert.deepEqual(
      layRows(long, { ...narrow, left: 0 }).map((row) => row.text),
      ["0123456…"],
    );
    assert.deepEqual(
      layRows(long, { ...narrow, left: 10 }).map((row) => row.text),
      ["abcdef"],
    );
  });
});

void describe("the search", () => {
  const log = lines(0, 50, (n) => (n % 10 === 0 ? `Error ${n}` : `fine ${n}`));

  test("is found where it stands; small letters find capitals", () => {
    assert.deepEqual(hitsIn("Error: an error", "error"), [
      { from: 0, to: 5 },
      { from: 10, to: 15 },
    ]);
    assert.deepEqual(hitsIn("Error: an error", "Error"), [{ from: 0, to: 5 }]);
    assert.deepEqual(hitsIn("anything", ""), []);
    assert.ok(finds("error")("Error 0") && !finds("ERROR")("Error 0") && !finds("")("x"));
  });

  test("shows a hit with what stands before it", () => {
    const rows = layRows(log, wide);
    assert.equal(at(rows, around(rows, 200, 9), 9), "fine 17");
    assert.equal(at(rows, around(rows, 0, 9), 9), "Error 0");
  });
});
