/** Programs that become daemons and hide where they came from: real ones, and one that hides all the better. */
import assert from "node:assert/strict";
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { identifyProcess } from "../../src/system/identity.js";
import { withRoom, type Room } from "./room.js";
import { DAEMONS, HIDDEN, missing, numberIn } from "../../fixtures/programs/daemons.js";
import { groupsWith } from "../system/control-groups.js";
import { AGENT, isRunning, skip } from "./support.js";

async function inFolder(room: Room, use: (folder: string) => Promise<void>): Promise<void> {
  const folder = join(room.folder, "daemon");
  mkdirSync(folder);
  try {
    await use(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** By what each is known once it has hidden. */
const NAMES = "redis-server|nginx: master|gunicorn: master|sleep 3600";

for (const [program, make] of Object.entries(DAEMONS)) {
  const skipped = skip || missing(program);

  test(`${program} as a daemon, its shell going on: a kill ends it`, { skip: skipped }, () =>
    withRoom((room) =>
      inFolder(room, async (folder) => {
        const daemon = await make(folder);
        const { job } = await room.create(`${daemon.command}; echo started; sleep 300`, {
          readyPattern: "started",
        });
        const pid = await numberIn(daemon);
        const { jobs } = await room.manager.kill({ id: job.id }, AGENT);
        assert.deepEqual([jobs[0]?.outcome, jobs[0]?.mayBeLeft], ["killed", []]);
        assert.equal(isRunning(pid), false);
      }),
    ),
  );

  test(`${program} as a daemon, its shell ending: it is named and ended`, { skip: skipped }, () =>
    withRoom((room) =>
      inFolder(room, async (folder) => {
        const daemon = await make(folder);
        // It may write its number before it has given itself its title.
        const isItself = `tr '\\0' ' ' </proc/$(cat ${daemon.pidFile})/cmdline | grep -qE '${NAMES}'`;
        const { job } = await room.create(
          `${daemon.command}; until [ -s ${daemon.pidFile} ] && ${isItself}; do :; done`,
        );
        const { leftovers = [], mayBeLeft } = await room.ended(job.id);
        const names = leftovers.map(({ command }) => command).join();
        assert.match(names, new RegExp(NAMES, "u"));
        assert.equal(mayBeLeft, undefined);
        for (const { pid } of leftovers) assert.equal(isRunning(pid), false);
      }),
    ),
  );
}

test(
  "a program that hides completely, without a control group: it may be left, and that is said",
  { skip },
  () =>
    withRoom(
      (room) =>
        inFolder(room, async (folder) => {
          const daemon = (await DAEMONS[HIDDEN]?.(folder)) ?? assert.fail();
          // Its parent has ended before the shell does.
          const command = `${daemon.command}; until [ -s ${daemon.pidFile} ]; do :; done; echo started; sleep 60`;
          const { job } = await room.create(command, { readyPattern: "started" });
          const pid = await numberIn(daemon);
          try {
            const { jobs } = await room.manager.kill({ id: job.id }, AGENT);
            assert.deepEqual(
              jobs[0]?.mayBeLeft.map((each) => each.pid),
              [pid],
            );
            assert.deepEqual(
              room.manager.get(job.id)?.mayBeLeft?.map((each) => each.command),
              ["sleep 3600"],
            );
            assert.ok(identifyProcess(pid), "what is not known to be ours is left alone");
          } finally {
            process.kill(pid, "SIGKILL");
          }
        }),
      { deps: { controlGroups: groupsWith({ make: () => Promise.reject(new Error("none")) }) } },
    ),
);
