import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { STDOUT } from "../../src/output/format.js";
import { renderScreen, type ScreenText } from "../../src/output/screen.js";

function shown(...texts: (string | Buffer)[]): Promise<ScreenText> {
  const frames = texts
    .map((text) => Buffer.from(text))
    .map((data) => ({
      frame: { stream: STDOUT, offset: 0, data, at: 0 },
    }));
  const reader = {
    end: () => 0,
    *pieces() {
      yield* frames;
    },
  };
  return renderScreen(reader, 20, 5);
}

void describe("a screen", () => {
  void it("shows the last lines, wrapped as the terminal wraps them", async () => {
    const { lines, cursor } = await shown("1\r\n2\r\n3\r\n", `${"x".repeat(25)}\r\nlast`);
    assert.deepEqual(lines, ["2", "3", "x".repeat(20), "x".repeat(5), "last"]);
    assert.deepEqual(cursor, { row: 4, column: 4 });
  });

  void it("obeys cursor movements, erasing and progress bars", async () => {
    const { lines } = await shown("one\r\ntwo\r\n10%\r50%\r100%\x1b[2A\x1b[2K\rnew");
    assert.deepEqual(lines, ["new", "two", "100%"]);
  });

  void it("shows a full-screen program, and what was there before once it has left", async () => {
    const inside = await shown("$ vim\r\n\x1b[?1049h\x1b[2J\x1b[1;1H~ text\x1b[5;1H-- INSERT --");
    assert.deepEqual(inside.lines, ["~ text", "", "", "", "-- INSERT --"]);
    assert.equal(inside.isAlternate, true);
    const after = await shown("$ vim\r\n\x1b[?1049h\x1b[2J~ text", "\x1b[?1049l$ ");
    assert.deepEqual(after.lines, ["$ vim", "$"]);
    assert.equal(after.isAlternate, false);
  });

  void it("joins a character and an escape sequence that came in pieces, and keeps the title", async () => {
    const bytes = Buffer.from("grün\x1b]0;the title\x07");
    const { lines, title } = await shown(
      bytes.subarray(0, 3),
      bytes.subarray(3, 9),
      bytes.subarray(9),
    );
    assert.deepEqual(lines, ["grün"]);
    assert.equal(title, "the title");
  });
});
