// The search of a log: in slices over a file of any size, and on as the file grows.
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { OutputLog } from "../../src/output/log.js";
import { systemClock } from "../../src/ports.js";
import { type Found, lookThrough } from "../../src/tui/log/log-source.js";
import { useFolders } from "../fakes/folders.js";

const folder = useFolders();

function output(limit = 64 * 1024 ** 2): OutputLog {
  return new OutputLog(join(folder(), "proc_1.log"), limit, systemClock);
}

/** A search that collects what it tells. */
function look(log: OutputLog, query: string) {
  const told: Found[] = [];
  let wake = (): void => undefined;
  const search = lookThrough(log.file, query, (found) => {
    told.push(found);
    wake();
  });
  /** The first result that is as it should be. */
  const until = async (isWanted: (found: Found) => boolean): Promise<Found> => {
    for (;;) {
      const found = told.at(-1);
      if (found && isWanted(found)) return found;
      await new Promise<void>((resolve) => (wake = resolve));
    }
  };
  return { ...search, told, until };
}

test("finds the lines of both streams, painted ones and an open one, and what comes later", async () => {
  const log = output();
  log.append(0, Buffer.from("one error\nfine\n"));
  log.append(1, Buffer.from("an \u001b[31mEr\u001b[0mror\n"));
  log.append(0, Buffer.from("error at the end"));
  const search = look(log, "error");
  const first = await search.until(({ isDone }) => isDone);
  assert.deepEqual(first.offsets, [0, 15, 33]);
  log.append(0, Buffer.from(" of the line\nno more\nerror again\n"));
  search.goOn();
  const then = await search.until(({ offsets }) => offsets.length > 3);
  assert.deepEqual(then.offsets, [0, 15, 33, 70]);
  search.stop();
  log.close();
});

test("a large file is looked through in slices, between which others get their turn", async () => {
  const log = output();
  const line = `${"x".repeat(99)}\n`;
  const piece = Buffer.from(line.repeat(10_000));
  for (let i = 0; i < 48; i++) log.append(0, piece);
  log.append(0, Buffer.from("the needle\n"));
  log.close();
  const search = look(log, "needle");
  let turns = 0;
  const turn = setInterval(() => (turns += 1), 1);
  const found = await search.until(({ isDone }) => isDone);
  clearInterval(turn);
  assert.deepEqual(found.offsets, [48_000_000]);
  assert.ok(
    search.told.length > 3 && turns > 1,
    `${search.told.length} slices, ${turns} turns of others`,
  );
  search.stop();
});

test("there is no output yet, and it may be stopped", async () => {
  const log = output();
  const search = look(log, "x");
  assert.deepEqual((await search.until(({ isDone }) => isDone)).offsets, []);
  search.stop();
  log.append(0, Buffer.from("x\n"));
  search.goOn();
  assert.equal(search.told.length, 1);
  log.close();
});
