/** How long a call of bash waits, and what becomes of its command then. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  detaches,
  isSleep,
  limitsOf,
  startsInBackground,
  type Limits,
  type Situation,
} from "../../src/bash/limits.js";

const ROOT: Situation = {
  command: "npm test",
  timeout: undefined,
  usual: 120_000,
  isChild: false,
  oneShot: false,
  options: { bashSeconds: 30, bashMaxMinutes: 60 },
};

const moves = { afterwards: "move", movesForUser: true } as const;
const child = { afterwards: "move", movesForUser: false } as const;
const ends = { afterwards: "end" } as const;

const TABLE: readonly [string, Partial<Situation>, Partial<Limits>][] = [
  ["without a timeout: the options", {}, { ...moves, milliseconds: 30_000, endSeconds: 3_600 }],
  ["its own timeout", { timeout: 5_000 }, { ...moves, milliseconds: 5_000 }],
  ["ten times as much later", { timeout: 120_000 }, { endSeconds: 1_200 }],
  ["never less than ten minutes", { timeout: 2_000 }, { endSeconds: 600 }],
  ["an hour at most", { timeout: 1_800_000 }, { endSeconds: 3_600 }],
  ["unless it was given more", { timeout: 7_200_000 }, { endSeconds: 7_200 }],
  [
    "a child waits as long as the host would",
    { isChild: true },
    { ...child, milliseconds: 120_000 },
  ],
  [
    "and as long as it says",
    { isChild: true, timeout: 400_000 },
    { ...child, milliseconds: 400_000 },
  ],
  ["opencode run: the host's limits", { oneShot: true }, { ...ends, milliseconds: 120_000 }],
  ["and no move for its user", { oneShot: true, timeout: 9 }, { ...ends, movesForUser: false }],
  ["a sleep: the host's end", { command: "sleep 600" }, { ...ends, milliseconds: 120_000 }],
  ["also with a timeout", { command: "sleep 600", timeout: 7 }, { ...ends, milliseconds: 7 }],
];

for (const [name, given, expected] of TABLE) {
  test(name, () => {
    const limits = limitsOf({ ...ROOT, ...given });
    assert.deepEqual({ ...limits, ...expected }, limits);
  });
}

test("only what does nothing but sleep is a sleep", () => {
  for (const command of ["sleep 5", " sleep 0.5m ", "sleep 1h 2m;"]) assert.ok(isSleep(command));
  for (const command of ["sleep 5 && x", "sleep", "sleep $X", "usleep 5", "x; sleep 5"])
    assert.ok(!isSleep(command), command);
});

test("commands that are sent to the background by hand are known", () => {
  const byHand = ["server &", "nohup server", " setsid x", "a && b &", "x 2>&1 &  ", "nohup x &"];
  const others = [
    "a && b",
    "x 2>&1",
    "x &> f",
    "echo '&' x",
    "nohupx",
    "x |& y",
    "cmd >&",
    undefined,
  ];
  for (const command of byHand) assert.ok(detaches(command), command);
  for (const command of others) assert.ok(!detaches(command), command);
  for (const command of [...byHand, "server & echo $!", "(x &); y", "a; setsid b"])
    assert.ok(startsInBackground(command), command);
  for (const command of ["a && b", "x 2>&1", "x &>f", "x |& y", "x <&3"])
    assert.ok(!startsInBackground(command), command);
});
