/** An output as it comes: whole characters, each with its stream, and what was lost is said. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fifoFolder, withRoom } from "../process/room.js";
import { NODE, program } from "../process/support.js";

test("stream yields the output as it comes, with its stream, and ends with the process", () =>
  withRoom(async (room) => {
    const { job } = await room.create("echo one; read -r x < fifo; echo two >&2; echo three", {
      env: {},
      cwd: fifoFolder(room),
    });
    const pieces: string[] = [];
    for await (const { stream, text, lost } of room.manager.stream(job.id)) {
      assert.equal(lost, 0);
      pieces.push(`${stream}: ${text}`);
      if (pieces.length === 1) {
        assert.deepEqual(pieces, ["stdout: one\n"]);
        assert.equal(room.manager.get(job.id)?.status, "running");
        writeFileSync(join(room.folder, "fifo"), "go\n");
      }
    }
    const all = pieces.join("");
    assert.ok(all.includes("stderr: two\n") && all.includes("stdout: three\n"), all);
    assert.notEqual((await room.ended(job.id)).completedAt, undefined);
    // Afterwards the same again, and from a place on.
    let later = "";
    for await (const { text } of room.manager.stream(job.id, { cursor: "4" })) later += text;
    assert.deepEqual(later.split("\n").sort(), ["", "three", "two"]);
  }));

test("stream: whole characters only, and an abort ends it without a trace", () =>
  withRoom(async (room) => {
    const { job } = await room.create(program("half-character.mjs"));
    const texts = { stdout: "", stderr: "" };
    for await (const { stream, text } of room.manager.stream(job.id)) {
      texts[stream] += text;
      if (!texts.stdout.includes("end")) assert.doesNotMatch(text, /\ufffd/);
    }
    assert.equal(texts.stdout, "€\nend \ufffd");
    assert.equal(texts.stderr, "€");

    const endless = await room.create("echo x; exec sleep 60");
    const stop = new AbortController();
    let count = 0;
    for await (const piece of room.manager.stream(endless.job.id, { signal: stop.signal })) {
      assert.equal(piece.text, "x\n");
      count += 1;
      // When the next piece is waited for.
      setImmediate(() => stop.abort());
    }
    assert.equal(count, 1);
    assert.throws(() => room.manager.stream("proc_0000000000"), /no background process/);
    assert.throws(
      () => room.manager.stream(endless.job.id, { cursor: "99" }),
      /^UserError: cursor/,
    );
  }));

test("stream: who is slower than the ring is told what is lost, and reads no half characters", () =>
  withRoom(
    async (room) => {
      // Characters of three bytes: blocks end and begin within them. Of several lengths, so that not by chance the
      // two halves at a gap make a whole one.
      for (const count of [1_000_000, 980_000, 960_000, 940_000]) {
        const command = `exec "${NODE}" -e 'process.stdout.write("€".repeat(${count}))'`;
        const { job } = await room.create(command);
        let bytes = 0;
        let missing = 0;
        for await (const { text, lost } of room.manager.stream(job.id)) {
          if (bytes === 0) await room.ended(job.id);
          assert.ok(/^€+$/.test(text), `half characters after ${bytes} bytes`);
          bytes += Buffer.byteLength(text);
          missing += lost;
        }
        assert.ok(missing > 2_000_000, `${missing} lost`);
        // The halves on both sides of the gap are in neither.
        const halves = count * 3 - bytes - missing;
        assert.ok(halves >= 0 && halves <= 4, `${halves} bytes in halves`);
      }
    },
    { options: { outputLimit: 512 * 1024 } },
  ));
