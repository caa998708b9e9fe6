/** Answers about an output: lines, pages, what is new; their size, and what they say of the rest. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { UserError } from "../../src/ports.js";
import { readOutput } from "../../src/output/read.js";
import type { ReadRequest } from "../../src/output/types.js";
import { guard, numbered, Output } from "./outputs.js";

test("nothing yet, and nothing any more", async () => {
  const output = new Output();
  assert.equal((await output.read()).text, "(no output yet)");
  const gone = await readOutput(undefined, {}, { bytes: 5, dropped: 5 }, guard);
  assert.equal(gone.text, "(the output is not kept any more)");
});

test("tail gives the last 100 lines by default and says how much is before them", async () => {
  const output = new Output().out(numbered(0, 250));
  const { text, lines, start, cursor } = await output.read();
  assert.equal(lines.length, 100);
  assert.equal(lines[0]?.text, "line 150");
  assert.equal(lines[99]?.text, "line 249");
  const before = numbered(0, 150).length;
  assert.match(text, new RegExp(`the last 100 lines; ${before.toLocaleString("en")} bytes before`));
  assert.equal(start, before);
  assert.equal(cursor, String(output.log.bytes));
  assert.deepEqual(await output.lines({ lines: 2 }), ["line 248", "line 249"]);
});

test("a short output is given whole, without any hint", async () => {
  const { text, more } = await new Output().out("a\n").err("b\n").out("c").read();
  assert.equal(text, "a\nb\nc");
  assert.equal(more, false);
});

test("each line knows its stream, and one stream can be asked for alone", async () => {
  const output = new Output().out("o1\no2 be").err("e1\n").out("gins\n").err("e2");
  assert.deepEqual((await output.read()).lines, [
    { stream: "stdout", text: "o1" },
    { stream: "stderr", text: "e1" },
    { stream: "stdout", text: "o2 begins" },
    { stream: "stderr", text: "e2" },
  ]);
  assert.deepEqual(await output.lines({ stream: "stderr" }), ["e1", "e2"]);
  assert.deepEqual(await output.lines({ stream: "stdout", mode: "head", lines: 1 }), ["o1"]);
});

test("head gives the first lines and a cursor for the rest", async () => {
  const output = new Output().out(numbered(0, 300));
  const head = await output.read({ mode: "head", lines: 3 });
  assert.deepEqual(
    head.lines.map(({ text }) => text),
    ["line 0", "line 1", "line 2"],
  );
  assert.equal(head.more, true);
  assert.match(head.text, /mode "full" with cursor "21"\]$/);
  const next = await output.read({ mode: "head", lines: 1, cursor: head.cursor });
  assert.equal(next.lines[0]?.text, "line 3");
});

test("full gives every byte, page by page, each within its size", async () => {
  const whole = numbered(0, 5000);
  const output = new Output().out(whole);
  let text = "";
  let cursor: string | undefined;
  let pages = 0;
  for (let more = true; more; pages++) {
    const page = await output.read({ mode: "full", cursor });
    text += page.lines.map((line) => `${line.text}\n`).join("");
    ({ cursor, more } = page);
  }
  assert.equal(text, whole);
  assert.ok(pages >= 4, `${pages} pages`);
});

test("a cursor gives only what is new", async () => {
  const output = new Output().out("old\npart");
  const first = await output.read();
  assert.equal((await output.read({ cursor: first.cursor })).text, "");
  output.out("ial\nnew\n");
  const second = await output.read({ cursor: first.cursor });
  assert.equal(second.text, "ial\nnew");
  assert.equal(second.lost, 0);
});

test("a cursor that the ring has passed by says how many bytes are lost", async () => {
  const output = new Output().out("x".repeat(400 * 1024));
  const { cursor } = await output.read();
  for (let i = 0; i < 40; i++) output.out(numbered(i * 10_000, (i + 1) * 10_000));
  const next = await output.read({ cursor });
  assert.ok(next.lost > 3_000_000);
  const left = `... ${next.lost.toLocaleString("en")} bytes left out ...`;
  assert.ok(next.text.includes(left), next.text.slice(0, 300));
  assert.equal(next.more, true);
  const last = await output.read();
  assert.equal(last.lines.at(-1)?.text, "line 399999");
  assert.ok(last.dropped >= next.lost);
});

test("every read says how much is not kept any more", async () => {
  const output = new Output().out(numbered(0, 200_000));
  const { bytes, dropped } = output.log;
  assert.ok(dropped > 0);
  const said = `[${dropped.toLocaleString("en")} bytes of ${bytes.toLocaleString("en")} bytes are not kept any more]`;
  const requests: ReadRequest[] = [
    {},
    { mode: "head" },
    { mode: "full" },
    { mode: "grep", pattern: "5" },
    { mode: "grep", pattern: "nowhere" },
    { cursor: String(bytes) },
  ];
  for (const request of requests) {
    const { text } = await output.read(request);
    assert.ok(text.includes(said), JSON.stringify(request));
  }
});

test("the gap stands between what was kept", async () => {
  const output = new Output();
  for (let i = 0; i < 20; i++) output.out(numbered(i * 10_000, (i + 1) * 10_000));
  let cursor: string | undefined;
  const all: string[] = [];
  for (let more = true; more;) {
    const page = await output.read({ mode: "full", cursor });
    all.push(...page.lines.map(({ text }) => text));
    ({ cursor, more } = page);
  }
  const gaps = all.filter((line) => line.includes("bytes left out"));
  assert.deepEqual(gaps, [`... ${output.log.dropped.toLocaleString("en")} bytes left out ...`]);
  assert.equal(all[0], "line 0");
  assert.equal(all.at(-1), "line 199999");
});

test("a cursor from elsewhere is refused in one line that names it", async () => {
  const output = new Output().out("abc");
  for (const cursor of ["4", "-1", "x", "1e1", "", "9".repeat(30)]) {
    await assert.rejects(output.read({ cursor }), (error) => {
      assert.ok(error instanceof UserError);
      assert.match(error.message, /^cursor: expected .*got "/);
      assert.doesNotMatch(error.message, /\n/);
      return true;
    });
  }
  for (const lines of [0, -1, 1.5, Number.NaN, 10_001]) {
    await assert.rejects(output.read({ lines }), /^UserError: lines: expected/);
  }
  for (const maxBytes of [0, 2047, 2048.5, Number.NaN]) {
    await assert.rejects(
      output.read({ maxBytes }),
      new RegExp(
        `^UserError: maxBytes: expected a whole number of at least 2048, got ${maxBytes}$`,
      ),
    );
  }
});

test("colours are gone, titles are gone, and control characters are", async () => {
  const output = new Output().out(
    "\u001b[1;31mred\u001b[0m \u001b]0;title\u0007text\u0000\b!\ttab\n",
  );
  assert.deepEqual(await output.lines(), ["red tex!\ttab"]);
});

test("a progress bar shows as it stands last", async () => {
  const output = new Output();
  for (let i = 0; i <= 100; i++) output.out(`\r\u001b[2Kbuilding ${i}%`);
  assert.deepEqual(await output.lines(), ["building 100%"]);
  output.out("\r\nnext\r\n");
  assert.deepEqual(await output.lines(), ["building 100%", "next"]);
});

test("characters that are split over pieces and streams are whole", async () => {
  const euro = Buffer.from("€");
  const output = new Output();
  for (const byte of euro) output.out(Buffer.from([byte])).err(Buffer.from([byte]));
  assert.deepEqual(await output.lines(), ["€", "€"]);
});

test("half a character at the end waits for its rest, for tail and for cursors", async () => {
  const euro = Buffer.from("a€");
  const output = new Output().out(euro.subarray(0, 2));
  const first = await output.read({ mode: "full" });
  assert.equal(first.text, "a");
  assert.equal(first.more, false);
  output.out(euro.subarray(2));
  assert.equal((await output.read({ cursor: first.cursor })).text, "€");
  assert.equal((await output.read()).text, "a€");
});

for (const request of [{ mode: "tail" }, { mode: "grep", pattern: "a" }] as const) {
  test(`the cursor of ${request.mode} stands before half a character`, async () => {
    const euro = Buffer.from("a€b");
    const output = new Output().out(euro.subarray(0, 2));
    const { cursor } = await output.read(request);
    output.out(euro.subarray(2));
    assert.equal((await output.read({ cursor })).text, "€b");
  });
}

test("pages of text without newlines cut no character", async () => {
  const whole = "äöü€𝄞".repeat(3000);
  const output = new Output().out(whole);
  let text = "";
  let cursor: string | undefined;
  for (let more = true; more;) {
    const page = await output.read({ mode: "full", cursor });
    text += page.lines.map((line) => line.text).join("");
    ({ cursor, more } = page);
  }
  assert.equal(text, whole);
});

test("bytes that are no UTF-8 do not make an answer too long", async () => {
  const output = new Output().out(Buffer.alloc(100_000, 0xff));
  await output.read({ mode: "full" });
  await output.read({ mode: "tail" });
  await output.read({ mode: "grep", pattern: "." });
});

test("of a line of many megabytes the end is shown, and how much is left out", async () => {
  const output = new Output(8 * 1024 ** 2).out("y".repeat(6 * 1024 ** 2)).out("THE END");
  const { text } = await output.read();
  assert.match(text, /bytes left out \.\.\.\ny+THE END\n\[the last /);
});

test("long lines: as many of the last ones as fit", async () => {
  const output = new Output();
  for (let i = 0; i < 50; i++) output.out(`${i} ${"z".repeat(1000)}\n`);
  const { lines } = await output.read();
  assert.equal(lines.length, 15);
  assert.match(lines.at(-1)?.text ?? "", /^49 z/);
});

test("the smallest answer holds as many of the last lines as fit, and says so", async () => {
  const output = new Output().out(numbered(0, 1000));
  const { text, lines } = await output.read({ lines: 500, maxBytes: 2048 });
  assert.equal(lines.at(-1)?.text, "line 999");
  assert.ok(lines.length > 150 && lines.length < 500, `${lines.length} lines`);
  const said = `\\[${lines.length} of the 500 lines asked for fit into one answer; the last ${lines.length} lines; `;
  assert.match(text, new RegExp(said));
});

test("a page holds at most 40,000 bytes and 1,900 lines, and says when that is less than was asked", async () => {
  const output = new Output().out(numbered(0, 5000));
  const capped = /\[1900 of the 2000 lines asked for fit into one answer; /;
  for (const mode of ["tail", "head", "full"] as const) {
    const { text, lines } = await output.read({ mode, lines: 2000, maxBytes: 100_000 });
    assert.equal(lines.length, 1900);
    assert.match(text, capped);
  }
  const wide = new Output().out(`${"y".repeat(99)}\n`.repeat(2000));
  const page = await wide.read({ mode: "full", maxBytes: 100_000 });
  assert.ok(Buffer.byteLength(page.text) <= 40_000);
});

test("pages can be read in parallel, from any offsets", async () => {
  const output = new Output().out(numbered(0, 1000));
  const first = numbered(0, 300).length;
  const [one, other] = await Promise.all([
    output.read({ mode: "full", cursor: 0, lines: 300 }),
    output.read({ mode: "full", cursor: first }),
  ]);
  assert.equal(one.lines.at(-1)?.text, "line 299");
  assert.equal(other.lines[0]?.text, "line 300");
});
