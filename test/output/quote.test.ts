/** What a notice quotes of an ended process: its last lines, and of a failed one the errors before them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { quoteOutputEnd } from "../../src/output/quote.js";
import { numbered, Output } from "./outputs.js";

function compiled(count: number, failing: Readonly<Record<number, string>>): string {
  let text = "";
  for (let i = 1; i <= count; i++) text += `${failing[i] ?? `[${i}/${count}] compile ok`}\n`;
  return text;
}

test("no output, nothing to quote; a short one is quoted whole", async () => {
  const none = new Output();
  assert.deepEqual(await quoteOutputEnd(none.log.file, { failed: true }), { text: "", total: 0 });
  const short = new Output().out("one\n").err("error: two\n").out("three");
  assert.deepEqual(await quoteOutputEnd(short.log.file, { failed: true }), {
    text: "one\nerror: two\nthree",
    total: 20,
  });
});

test("of a longer one the last whole lines, and how much is before them", async () => {
  const output = new Output().out(numbered(0, 5000));
  const { text, total, pattern } = await quoteOutputEnd(output.log.file, { failed: false });
  assert.equal(`${text}\n`, numbered(4960, 5000));
  assert.equal(total, text.length + numbered(0, 4960).length);
  assert.equal(pattern, undefined);
  const long = new Output();
  for (let i = 0; i < 50; i++) long.out(`${i} ${"z".repeat(1000)}\n`);
  const quoted = await quoteOutputEnd(long.log.file, { failed: false });
  assert.match(quoted.text, /^45 z{1000}\n(?:\d+ z{1000}\n?){4}$/);
  assert.ok(quoted.text.length <= 6000);
});

test("a build that fails in the middle: the error with its number and two lines after it, then the end", async () => {
  const output = new Output().out(
    compiled(5000, {
      2500: "src/a.c:3:5: error: expected ';'",
      2501: "  int x",
      2502: "       ^",
      5000: "build finished with 1 error",
    }),
  );
  const quoted = await quoteOutputEnd(output.log.file, { failed: true });
  const { text, total, pattern } = quoted;
  const lines = text.split("\n");
  assert.deepEqual(lines.slice(0, 3), [
    "2500:src/a.c:3:5: error: expected ';'",
    "2501-  int x",
    "2502-       ^",
  ]);
  assert.equal(lines[3], "[4961/5000] compile ok");
  assert.equal(quoted.gapAt, text.indexOf("[4961/5000]"));
  assert.equal(lines.at(-1), "build finished with 1 error");
  assert.equal(pattern, "error");
  assert.ok(total > output.log.bytes - 200 && total < output.log.bytes + 200, String(total));
  const grep = await output.read({ pattern: pattern ?? "" });
  assert.ok(grep.lines.some((line) => line.text.includes("expected ';'")));
});

test("one that did not fail is quoted by its end alone", async () => {
  const output = new Output().out(compiled(5000, { 2500: "error: of no consequence" }));
  const { text } = await quoteOutputEnd(output.log.file, { failed: false });
  assert.doesNotMatch(text, /consequence/);
});

test("only the first few errors, each line and all of them bounded; what follows one belongs to it", async () => {
  const failing: Record<number, string> = {};
  for (let i = 100; i < 200; i += 10) failing[i] = `TypeError: number ${i}`;
  const output = new Output().out(compiled(5000, failing));
  const { text } = await quoteOutputEnd(output.log.file, { failed: true });
  assert.deepEqual(text.match(/^\d+:.*$/gmu), [
    "100:TypeError: number 100",
    "110:TypeError: number 110",
    "120:TypeError: number 120",
    "130:TypeError: number 130",
    "140:TypeError: number 140",
  ]);
  assert.equal(text.match(/^--$/gmu)?.length, 4);
  const long = new Output().out(`error ${"x".repeat(100_000)}\n`.repeat(10)).out(numbered(0, 100));
  const quoted = await quoteOutputEnd(long.log.file, { failed: true });
  assert.ok(quoted.text.length <= 6000);
  assert.match(quoted.text, /^1:error x+…\n2:error/);
});

const looks: Record<string, string | undefined> = {
  "src/a.ts(3,1): error TS2322: Type": "error",
  "error[E0308]: mismatched types": "error",
  "npm ERR! code ELIFECYCLE": "err!",
  "FAIL test/a.test.ts": "fail",
  "not ok 3 - adds": "not ok",
  "thread 'main' panicked at src/main.rs:2": "panicked",
  "Traceback (most recent call last):": "traceback",
  "java.lang.NullPointerException: x": "exception",
  "fatal: not a git repository": "fatal",
  "/bin/sh: 1: frob: not found": undefined,
  "sh: line 1: frob: command not found": "command not found",
  "a.c:(.text+0x5): undefined reference to `f'": "undefined reference",
  "make: *** [Makefile:2: all] Error 1": "error",
  "0 errors, 3 warnings": undefined,
  "Found 0 type errors": undefined,
  "no failures": undefined,
  "failed: 0, passed: 12": undefined,
  "compiled src/error-page.ts": undefined,
  "  create dist/errors/index.js": undefined,
  "GET /error 200": undefined,
  "copied error.html": undefined,
};
for (const [line, word] of Object.entries(looks)) {
  test(`${word === undefined ? "no error" : `an error by "${word}"`}: ${line}`, async () => {
    const output = new Output().out(`${line}\n`).out(numbered(0, 1000));
    const { pattern, text } = await quoteOutputEnd(output.log.file, { failed: true });
    assert.equal(pattern, word);
    assert.equal(text.startsWith(`1:${line}\n2-line 0\n3-line 1\n`), word !== undefined);
  });
}
