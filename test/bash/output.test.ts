/** What a call of bash answers of its command's output. */
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import * as fc from "fast-check";
import { CallOutput } from "../../src/bash/output.js";
import type { Log } from "../../src/ports.js";

const LIMITS = { lines: 20, bytes: 400 };

function make(t: TestContext, limits = LIMITS, below = "") {
  const folder = mkdtempSync(join(tmpdir(), "obm-call-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, below, "tool-output", "tool_1");
  const logged: string[] = [];
  const log: Log = (_level, message) => void logged.push(message);
  return { folder, file, logged, output: new CallOutput(limits, file, log) };
}

test("a short output is answered as it came, and makes no file", (t) => {
  const { output, file } = make(t);
  output.take(Buffer.from("one\n\u001b[31mtwo"));
  assert.deepEqual(output.end(""), { text: "one\n\u001b[31mtwo", isCut: false, file: undefined });
  assert.equal(existsSync(file), false);
});

test("a character that comes in pieces is whole, half of one at the end is left out", (t) => {
  const { output } = make(t);
  const euro = Buffer.from("€");
  for (const byte of euro) output.take(Buffer.from([byte]));
  output.take(euro.subarray(0, 2));
  assert.equal(output.end("").text, "€");
});

test("what is shown of a long output begins with no half of a character", (t) => {
  const { output } = make(t);
  output.take(Buffer.from(`😀${"x".repeat(29_999)}`));
  assert.equal(output.shown, `...\n\n${"x".repeat(29_999)}`);
});

test("of a long output the end is answered and all of it is in the file", async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.string({ unit: "binary", maxLength: 120 }), { minLength: 1, maxLength: 60 }),
      fc.integer({ min: 0, max: 3 }),
      async (pieces, extra) => {
        const { output, file } = make(t);
        const all = Buffer.from(pieces.map((piece) => `${piece}\n`).join("")).toString();
        for (const piece of pieces) output.take(Buffer.from(`${piece}\n`));
        const rest = "\nmore".repeat(extra);
        const { text, isCut, file: kept } = output.end(rest);
        const answer = text + rest;
        const known = all.replace(/^\uFEFF/u, "");
        const fits = (each: string) =>
          Buffer.byteLength(each) <= LIMITS.bytes && each.split("\n").length <= LIMITS.lines;
        assert.equal(isCut, !fits(known + rest));
        if (!isCut) {
          assert.equal(text, known);
          return;
        }
        assert.equal(kept, file);
        assert.equal(readFileSync(file, "utf8"), known);
        assert.ok(fits(answer), "the host would cut it again");
        assert.ok(known.endsWith(text.split("\n").slice(4).join("\n")));
      },
    ),
    { numRuns: 200 },
  );
});

test("however much comes, memory and what is shown stay bounded", (t) => {
  const { output, file } = make(t);
  const piece = Buffer.from(`${"x".repeat(99)}\n`);
  for (let at = 0; at < 10_000; at++) output.take(piece);
  assert.equal(output.shown.length, 30_000 + "...\n\n".length);
  const { text } = output.end("");
  assert.ok(text.length <= LIMITS.bytes);
  assert.equal(readFileSync(file).length, 1_000_000);
});

test("a file that cannot be written costs the file, and the answer says so", (t) => {
  const { output, folder, logged } = make(t, LIMITS, "taken");
  writeFileSync(join(folder, "taken"), "");
  for (let at = 0; at < 100; at++) output.take(Buffer.from(`line ${at}\n`));
  const { text, file } = output.end("");
  assert.equal(file, undefined);
  assert.match(
    text,
    /^\.\.\.output truncated\.\.\.\n\nThe full output could not be saved: [^]*line 99\n$/u,
  );
  assert.equal(logged.length, 1);
});

test("of many short lines as many are answered as the host lets pass, with what is said besides", (t) => {
  const { output } = make(t, { lines: 20, bytes: 10_000 });
  for (let at = 0; at < 100; at++) output.take(Buffer.from(`${at}\n`));
  const rest = "\n\nmore\nand more";
  const { text } = output.end(rest);
  assert.equal((text + rest).split("\n").length, 20);
  assert.match(text, /\n98\n99\n$/u);
});
