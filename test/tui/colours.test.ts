// A line of output with its colours: what is painted, and that nothing a terminal would obey is left.
import assert from "node:assert/strict";
import { test } from "node:test";
import { colouredLine } from "../../src/tui/log/colours.js";

const E = "\u001b";

test("basic colours are tones of the theme, others what the program said", () => {
  const { text, painted } = colouredLine(
    `plain ${E}[31mred ${E}[1mbold${E}[0m ${E}[38;5;208morange${E}[39m ${E}[38;2;1;2;3mexact${E}[m ${E}[4;90mgrey${E}[0m`,
  );
  assert.equal(text, "plain red bold orange exact grey");
  assert.deepEqual(
    painted.map(({ from, to, ...paint }) => [text.slice(from, to), paint]),
    [
      ["red ", { text: "bad" }],
      ["bold", { text: "bad", bold: true }],
      ["orange", { text: [255, 135, 0] }],
      ["exact", { text: [1, 2, 3] }],
      ["grey", { text: "muted", underline: true }],
    ],
  );
});

test("tabs reach to where they do in the whole line, also within a colour", () => {
  assert.equal(colouredLine(`ab${E}[32m\tc\td${E}[0m\te`).text, "ab  c   d   e");
});

test("a line that is redrawn stands as it stands last, without colours", () => {
  const line = colouredLine(`${E}[32m10 %${E}[0m\r${E}[32m100 %${E}[0m`);
  assert.deepEqual(line, { text: "100 %", painted: [] });
  assert.equal(colouredLine(`${E}[33mdone${E}[0m${E}[K\r`).text, "done");
  assert.equal(colouredLine(`a${E}[2Gb`).painted.length, 0);
});

test("nothing is left that a terminal obeys", () => {
  for (const sequence of [`${E}]0;title\u0007`, `${E}[?25l`, `${E}c`, `${E}]8;;http://x${E}\\`]) {
    const { text } = colouredLine(`${E}[31mone${sequence}two${E}[0m\u0007\u202e`);
    assert.equal(text, "onetwo", JSON.stringify(sequence));
  }
});
