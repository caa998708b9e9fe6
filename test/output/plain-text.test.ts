/** Lines as a terminal would show them, UTF-16, and binary output. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { plainLine } from "../../src/output/plain-text.js";
import { Output } from "./outputs.js";

for (const [name, raw, shown] of [
  ["a bell after a carriage return", "text\r\u0007", "text"],
  ["ESC[2K ESC[1G", "\u001b[2K\u001b[1Gstep 1\u001b[2K\u001b[1Gstep 2", "step 2"],
  ["ESC[G", "step 1\u001b[Gstep 2", "step 2"],
  ["ESC[nA", "a 1\u001b[1Aa 2\u001b[3Aa 3", "a 3"],
  ["a spinner of backspaces", "|\b/\b-\bdone", "done"],
  ["a word corrected by backspaces", "wrld\b\b\borld", "world"],
  ["a line that is cleared at its end", "\r\u001b[Kdone\r\u001b[K", "done"],
  ["colours", "\u001b[31mred\u001b[0m", "red"],
] as const) {
  test(`${name}: ${shown}`, () => assert.equal(plainLine(raw), shown));
}

for (const encoding of ["little-endian", "big-endian"]) {
  // Big-endian text without a mark is not told from little-endian where both readings are as likely.
  for (const mark of encoding === "little-endian" ? ["\ufeff", ""] : ["\ufeff"]) {
    test(`UTF-16 ${encoding} ${mark ? "with" : "without"} its mark, with CRLF, split anywhere`, async () => {
      const text = `${mark}hello wörld\r\nsecond line 2\r\n\r\nfourth: 東京 ok\r\n`;
      let bytes = Buffer.from(text, "utf16le");
      if (encoding === "big-endian") bytes = bytes.swap16();
      for (const size of [1, 3, 7, 1000]) {
        const output = new Output();
        for (let at = 0; at < bytes.length; at += size) output.out(bytes.subarray(at, at + size));
        assert.deepEqual((await output.lines()).slice(0, 4), [
          "hello wörld",
          "second line 2",
          "",
          "fourth: 東京 ok",
        ]);
        assert.equal((await output.read({ pattern: "^second line \\d$" })).matches, 1);
      }
    });
  }
}

test("binary output is one line with its size, between lines of text", async () => {
  const bytes = Buffer.alloc(30_000);
  let seed = 1;
  for (let i = 0; i < bytes.length; i++)
    bytes[i] = seed = ((seed * 16_807) % 2_147_483_647) & 0xff || 1;
  bytes[0] = 0;
  for (let i = 0; i < bytes.length; i += 50) bytes[i] = 0;
  bytes[29_999] = 10;
  const output = new Output().out("before\n").out(bytes).out("after\n");
  const lines = await output.lines();
  assert.deepEqual([lines[0], lines.at(-1)], ["before", "after"]);
  assert.ok(
    lines.some((line) => /^\[binary, [\d,]+ bytes\]$/u.test(line)),
    lines.join("\n").slice(0, 500),
  );
});

test("zeros: one line for all of them", async () => {
  const output = new Output().out(Buffer.alloc(30_000));
  assert.deepEqual(await output.lines(), ["[binary, 30,000 bytes]"]);
});
