/** Lines of an output that match a pattern: their places and number, and patterns that are refused. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { numbered, Output } from "./outputs.js";

test("grep gives the matching lines with their numbers and two lines of context, and counts all", async () => {
  const output = new Output().out("alpha\nbeta 1\n").err("beta 2\n").out("gamma\nbeta 3");
  const { lines, text, matches } = await output.read({ mode: "grep", pattern: "^beta" });
  assert.deepEqual(
    lines.map((line) => line.text),
    ["1-alpha", "2:beta 1", "3:beta 2", "4-gamma", "5:beta 3"],
  );
  assert.equal(matches, 3);
  assert.equal(text.split("\n").length, 5);
  assert.equal(lines[1]?.stream, "stdout");
  // A place in bytes is a cursor, as a number, too.
  assert.equal((await output.read({ cursor: 26 })).text, "beta 3");
  assert.equal((await output.read({ cursor: "26" })).text, "beta 3");
  assert.deepEqual(await output.lines({ mode: "grep", pattern: "beta", stream: "stderr" }), [
    "1:beta 2",
  ]);
});

test("a pattern without a mode means grep: the last lines would pass for its matches", async () => {
  const output = new Output().out("alpha\nbeta 1\ngamma\nbeta 2");
  assert.deepEqual(await output.lines({ pattern: "^beta" }), [
    "1-alpha",
    "2:beta 1",
    "3-gamma",
    "4:beta 2",
  ]);
  assert.deepEqual(await output.lines({ pattern: "^beta", cursor: "13" }), ["3-gamma", "4:beta 2"]);
});

test("grep over many lines goes on where it stopped, and misses none", async () => {
  const output = new Output(8 * 1024 ** 2).out(numbered(0, 100_000));
  const newest = await output.read({ mode: "grep", pattern: "77$" });
  assert.equal(newest.matches, 1000);
  assert.match(
    newest.text,
    /\n\[the newest \d+ of 1000 matching lines; all from the start: the same with cursor "0"\]$/,
  );
  assert.ok(newest.lines.some(({ text }) => text === "99978:line 99977"));
  let cursor = "0";
  const found: string[] = [];
  for (let more = true; more;) {
    const page = await output.read({ mode: "grep", pattern: "77$", cursor });
    for (const { text } of page.lines) {
      const [, number, line] = /^(\d+):line (\d+)$/u.exec(text) ?? [];
      if (line === undefined) continue;
      assert.equal(Number(number), Number(line) + 1);
      found.push(`line ${line}`);
    }
    if (cursor === "0") {
      assert.match(page.text, /the first \d+ of 1000 matching lines; .* cursor "\d+"\]$/);
    }
    ({ cursor, more } = page);
  }
  assert.deepEqual(
    found,
    numbered(0, 100_000)
      .split("\n")
      .filter((line) => line.endsWith("77")),
  );
});

test("grep sees lines that are split over pieces, without colours", async () => {
  const output = new Output().out("be\u001b[31m").err("other\n").out("ta\u001b[0m!\n");
  assert.deepEqual(await output.lines({ mode: "grep", pattern: "^beta!$" }), [
    "1-other",
    "2:beta!",
  ]);
});

test("grep that finds nothing says in how much", async () => {
  const { text, matches } = await new Output().out("alpha\n").read({ mode: "grep", pattern: "x" });
  assert.equal(text, "(no line matches in 6 bytes)");
  assert.equal(matches, 0);
});

test("grep sees a progress bar as it stands last, however long it was", async () => {
  const output = new Output();
  for (let i = 0; i < 1000; i++) output.err(`\rstep ${i} of 1000`);
  output.err("\rall done\n");
  assert.deepEqual(await output.lines({ mode: "grep", pattern: "done" }), ["1:all done"]);
  assert.equal((await output.read({ mode: "grep", pattern: "step" })).matches, 0);
});

test("grep says of how many lines only the beginning was looked at", async () => {
  const output = new Output().out(`${"x".repeat(5000)}END\nx\n`);
  const cut = "only the first 4,096 bytes of 1 long lines were looked at";
  assert.equal(
    (await output.read({ mode: "grep", pattern: "END" })).text,
    `(no line matches in 5,006 bytes; ${cut})`,
  );
  const { text } = await output.read({ mode: "grep", pattern: "^x" });
  assert.ok(text.endsWith(`[2 matching lines; ${cut}]`), text.slice(-200));
});

test("a pattern that is none, or too long, is refused before anything is read", async () => {
  const output = new Output().out("a\n");
  const refused: [string | undefined, RegExp][] = [
    ["(", /^UserError: pattern: expected a JavaScript regular expression, got "\(" \(Invalid/],
    ["", /^UserError: pattern: /],
    [undefined, /^UserError: pattern: mode grep needs one/],
    ["a".repeat(513), /^UserError: pattern: expected at most 512 characters, got 513/],
  ];
  for (const [pattern, message] of refused) {
    await assert.rejects(output.read({ mode: "grep", pattern }), message);
  }
});

for (const pattern of ["(^(a+)+$)|!", "^(a|a)*$", "^(.*a){20}$", "(x+x+)+y"]) {
  test(`an evil pattern (${pattern}) is an error, never "no match", and soon`, async () => {
    const output = new Output();
    for (let i = 0; i < 200; i++) output.out(`${"a".repeat(60)}b ${"x".repeat(60)}!\n`);
    const start = performance.now();
    let longestTurn = 0;
    let last = start;
    const clock = setInterval(() => {
      longestTurn = Math.max(longestTurn, performance.now() - last);
      last = performance.now();
    }, 5);
    await assert.rejects(
      output.read({ mode: "grep", pattern }),
      /^UserError: pattern: took too long/,
    );
    clearInterval(clock);
    const took = performance.now() - start;
    assert.ok(took < 5000, `answered after ${took} ms`);
    assert.ok(longestTurn < 1000, `held the host for ${longestTurn} ms`);
    // The next question is answered as if nothing had been.
    assert.equal((await output.read({ mode: "grep", pattern: "b x" })).matches, 200);
  });
}

test("grep of long lines that match shows one at least, and goes on behind it", async () => {
  const output = new Output();
  for (let i = 0; i < 20; i++) output.out(`${i} ${"x".repeat(1000)}\n`);
  let shown = 0;
  let cursor = "0";
  for (let more = true; more;) {
    const page = await output.read({ pattern: "x", cursor, maxBytes: 2048 });
    shown += page.lines.filter(({ text }) => /^\d+:/u.test(text)).length;
    ({ cursor, more } = page);
  }
  assert.equal(shown, 20);
});
