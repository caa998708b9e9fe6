/** What an OpenCode and the page's server say to each other, line by line: whole lines only, and no other form. */
import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { describe, it } from "node:test";
import { readLines, wish } from "../../src/web/link.js";

const LONGEST = 20;

/** What is heard of these pieces, `wrong` among it. */
async function heard(...pieces: string[]): Promise<string[]> {
  const stream = new PassThrough();
  const said: string[] = [];
  readLines(stream, {
    schema: wish,
    longest: LONGEST,
    onLine: (line) => said.push(line),
    onWrong: () => said.push("wrong"),
  });
  for (const piece of pieces) {
    stream.write(piece);
    // One piece at a time, as a socket gives them.
    await new Promise(setImmediate);
  }
  return said;
}

void describe("lines from another process", () => {
  void it("are taken whole, however they come", async () => {
    assert.deepEqual(await heard('"leave"\n"lea', 've"', '\n"leave"'), ["leave", "leave"]);
  });

  for (const [what, line] of [
    ["no JSON", "leave"],
    ["of another form", '"stay"'],
    ["empty", ""],
    ["too long", `"leave"${" ".repeat(LONGEST)}`],
  ] as const) {
    void it(`end the reading when one is ${what}, once`, async () => {
      const pieces = [`"leave"\n${line}\n"leave"\n`, '"leave"\n', `${line}\n`];
      assert.deepEqual(await heard(...pieces), ["leave", "wrong"]);
    });
  }

  void it("end the reading when one gets too long before its end", async () => {
    assert.deepEqual(await heard(" ".repeat(LONGEST), " ", '"leave"\n'), ["wrong"]);
  });
});
