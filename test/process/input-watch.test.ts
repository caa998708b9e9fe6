/** Programs that wait for input say so in their records, and no longer when they do not; real ones. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { ProcessJob } from "../../src/jobs/job.js";
import { withRoom, type Room } from "./room.js";
import { NODE, skip } from "./support.js";

/** The record once it is as wanted; each change of it is looked at. */
function whenJob(
  room: Room,
  id: string,
  isWanted: (job: ProcessJob) => boolean,
): Promise<ProcessJob> {
  const now = room.manager.get(id);
  if (now && isWanted(now)) return Promise.resolve(now);
  return new Promise((resolve) => {
    const stop = room.jobs.onChange(({ job }) => {
      if (job.id !== id || job.kind !== "process" || !isWanted(job)) return;
      stop();
      resolve(job);
    });
  });
}

const isBlocked = (job: ProcessJob) => job.blockedOn !== undefined;

const ASKING: Record<string, string> = {
  "a shell that reads": `printf 'Ok to proceed? (y) '; read -r answer; echo "got $answer"; sleep 60`,
  "a program of Node": `exec "${NODE}" ask.mjs`,
  "python's input": `exec python3 -c 'print("got", input("Ok to proceed? (y) "), flush=True); import time; time.sleep(60)'`,
};

for (const [name, command] of Object.entries(ASKING)) {
  test(
    `${name} is blocked on input, told once, and goes on when answered`,
    { skip, timeout: 60_000 },
    () =>
      withRoom(async (room) => {
        writeFileSync(
          join(room.folder, "ask.mjs"),
          `process.stdout.write("Ok to proceed? (y) "); process.stdin.once("data", (d) => { console.log("got " + d); setInterval(() => {}, 1000); });`,
        );
        const { job } = await room.create(command, { stdin: "open" });
        const blocked = await whenJob(room, job.id, isBlocked);
        assert.deepEqual(
          [blocked.blockedOn?.kind, blocked.blockedOn?.what],
          ["input", "Ok to proceed? (y)"],
        );
        await whenJob(room, job.id, isBlocked);
        assert.deepEqual(
          room.announced.map(({ kind, text }) => [kind, text]),
          [["blocked", "Ok to proceed? (y)"]],
        );
        await room.manager.write(job.id, { text: "y\n", waitPattern: "got y" });
        const after = room.manager.get(job.id);
        assert.deepEqual([after?.blockedOn, after?.openLine], [undefined, undefined]);
      }),
  );
}

test(
  "an open line of one that does not read is only that: it is not told",
  { skip, timeout: 60_000 },
  () =>
    withRoom(async (room) => {
      const { job } = await room.create("printf 'working ... '; exec sleep 60", { stdin: "open" });
      const open = await whenJob(room, job.id, ({ openLine }) => openLine !== undefined);
      assert.deepEqual([open.openLine?.text, open.blockedOn], ["working ...", undefined]);
      assert.deepEqual(room.announced, []);
    }),
);
