/** One look serves all who ask in the same moment, and gives way to the host in between. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { ProcessTable } from "../../src/system/process-table.js";
import { Scanner, type Search } from "../../src/system/scan.js";

function fakeTable(count: number) {
  const reads = { lists: 0, entries: 0, environments: 0 };
  const table: ProcessTable = {
    pids: () => {
      reads.lists += 1;
      return Array.from({ length: count }, (_, i) => i + 2);
    },
    counter: () => undefined,
    entry: (pid) => {
      reads.entries += 1;
      return { pid, name: "sh", parent: 1, group: pid, startTime: "1", dead: false };
    },
    list: () => Promise.resolve([]),
    command: () => "",
    hidesOrigin: () => false,
    jobsOf: () => {
      reads.environments += 1;
      return [];
    },
  };
  return { table, reads };
}

function search(seen: number[], fields: Partial<Search> = {}): Search {
  return {
    begin: () => undefined,
    wants: () => true,
    see: (pid, _entry, jobs) => {
      seen.push(pid);
      jobs();
    },
    failed: (thrown) => assert.fail(String(thrown)),
    end: () => undefined,
    ...fields,
  };
}

test("searches of the same turn share a look: each process is read once, newest first", async () => {
  const { table, reads } = fakeTable(3);
  const scanner = new Scanner(table);
  const seen: number[][] = [[], [], []];
  await Promise.all(seen.map((each) => scanner.scan(search(each))));
  assert.deepEqual(seen, [
    [4, 3, 2],
    [4, 3, 2],
    [4, 3, 2],
  ]);
  assert.deepEqual(reads, { lists: 1, entries: 3, environments: 3 });
});

test("what is asked for while a look is under way gets a look that begins afterwards", async () => {
  const { table, reads } = fakeTable(3);
  const scanner = new Scanner(table);
  const late: number[] = [];
  let second: Promise<void> | undefined;
  const see = () => void (second ??= scanner.scan(search(late)));
  await scanner.scan(search([], { see }));
  await second;
  assert.deepEqual(late, [4, 3, 2]);
  assert.equal(reads.lists, 2);
});

test("a number that no search wants is not read", async () => {
  const { table, reads } = fakeTable(100);
  const seen: number[] = [];
  await new Scanner(table).scan(search(seen, { wants: (pid) => pid === 50 }));
  assert.deepEqual([seen, reads.entries], [[50], 1]);
});

/** So many processes have been started since boot as there are; each reading of the counter may find more. */
function countingTable(count: number, startedAt: (reading: number) => number) {
  const { table, reads } = fakeTable(count);
  let readings = 0;
  const counter = () => {
    const forks = startedAt(++readings);
    return { last: count + 1, forks, tasks: count, max: 32_768 };
  };
  return { table: { ...table, counter }, reads };
}

test("a few of the newest numbers are tried one by one: no list of all is made", async () => {
  const { table, reads } = countingTable(500, () => 500);
  const gone = 499;
  const entry = (pid: number) => (pid === gone ? undefined : table.entry(pid));
  const seen: number[][] = [[], []];
  const scanner = new Scanner({ ...table, entry });
  await Promise.all(
    seen.map((each, i) => scanner.scan(search(each, { begin: () => 498 + i * 2 }))),
  );
  assert.deepEqual(seen[0], [501, 500, 498]);
  assert.equal(reads.lists, 0);
});

test("numbers that were tried while something was started count for nothing: all are listed", async () => {
  const { table, reads } = countingTable(500, (reading) => reading);
  let seen: number[] = [];
  let begins = 0;
  const begin = () => {
    seen = [];
    begins += 1;
    return 500;
  };
  const see = (pid: number) => void seen.push(pid);
  await new Scanner(table).scan(search([], { begin, see }));
  assert.deepEqual([begins, reads.lists, seen.length], [3, 1, 500]);
});

test("more than a few numbers, or any number, are listed at once", async () => {
  for (const lowest of [2, undefined]) {
    const { table, reads } = countingTable(500, () => 500);
    const seen: number[] = [];
    await new Scanner(table).scan(search(seen, { begin: () => lowest }));
    assert.deepEqual([reads.lists, seen.length], [1, 500]);
  }
});

test("a long look gives way: the host's own work is done in between", async () => {
  const { table } = fakeTable(64);
  const busy = () => {
    const until = performance.now() + 1;
    while (performance.now() < until);
  };
  let hasEnded = false;
  let turns = 0;
  const count = () => {
    turns += 1;
    if (!hasEnded) setImmediate(count);
  };
  setImmediate(count);
  await new Scanner(table).scan(search([], { see: busy }));
  hasEnded = true;
  // 64 processes of a millisecond, sixteen at a time.
  assert.ok(turns >= 4, `${turns} turns`);
});

test("a system that refuses is said to each search, and the look goes on with the next process", async () => {
  const { table } = fakeTable(3);
  const refuse = (): never => {
    throw new Error("EMFILE");
  };
  const problems: string[] = [];
  const failed = (thrown: unknown) => void problems.push(String(thrown));
  const seen: number[] = [];
  const once = { ...table, entry: (pid: number) => (pid === 3 ? refuse() : table.entry(pid)) };
  await new Scanner(once).scan(search(seen, { failed }));
  assert.deepEqual([seen, problems], [[4, 2], ["Error: EMFILE"]]);
  await new Scanner({ ...table, pids: refuse }).scan(search(seen, { failed }));
  assert.deepEqual([seen.length, problems.length], [2, 2]);
});
