/** Ends that come together are one notice and one turn, whatever the parent does then: on a real host. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe } from "node:test";
import { deferred } from "../../fixtures/deferred.js";
import type { Host } from "../../fixtures/host/index.js";
import { forever, gate, text, toolCall, type Step } from "../../fixtures/model/index.js";
import { jobIds, launch, noticesIn, noticeStored, timesTold, type TestBed } from "./support.js";
import { rounds } from "../rounds.js";
import { useFaultyHost } from "./use-host.js";

interface Release {
  /** The parent is in its state; gives what `go` needs. */
  readonly ready: (bed: TestBed, sessionID: string, name: string) => Promise<string>;
  /** Lets it go on, once the notice is where it has to be by then. */
  readonly go: (bed: TestBed, sessionID: string, held: string) => Promise<void>;
}

/** What a parent does when its children end, and how many turns it may take from there on. */
const STATES: Record<
  string,
  {
    readonly steps: (host: Host, name: string) => readonly Step[];
    readonly turns: number;
    release: Release;
  }
> = {
  "is idle": {
    steps: () => [text("started")],
    turns: 1,
    release: {
      ready: async ({ host }, sessionID) => {
        await host.waitIdle(sessionID);
        return "";
      },
      go: (bed, sessionID) => noticeStored(bed, sessionID),
    },
  },
  streams: {
    steps: (_, name) => [[text("working "), gate(`${name} parent`), text("on")]],
    turns: 1,
    release: {
      ready: async ({ host }, sessionID, name) => {
        await host.waitFor(
          "message.part.delta",
          (part) => part.sessionID === sessionID && part.delta === "working ",
        );
        return `${name} parent`;
      },
      go: async (bed, sessionID, held) => {
        await noticeStored(bed, sessionID);
        bed.model.open(held);
      },
    },
  },
  "runs a tool": {
    steps: ({ project }) => [
      toolCall("bash", {
        command: `until [ -e ${project}/go ]; do sleep 0.1; done; rm ${project}/go`,
        description: "waits",
      }),
    ],
    turns: 1,
    release: {
      ready: async ({ host }, sessionID) => {
        await host.waitFor(
          "message.part.updated",
          ({ part }) =>
            part.sessionID === sessionID &&
            part.type === "tool" &&
            part.tool === "bash" &&
            part.state.status === "running",
        );
        return join(host.project, "go");
      },
      go: async (bed, sessionID, held) => {
        await noticeStored(bed, sessionID);
        writeFileSync(held, "");
      },
    },
  },
  "waits for a permission": {
    steps: () => [toolCall("bash", { command: "echo ok", description: "x" })],
    // The step after the answer, and the one that reads the notice.
    turns: 2,
    release: {
      ready: async ({ host }, sessionID) => {
        const asked = await host.waitFor(
          "permission.asked",
          (permission) => permission.sessionID === sessionID,
        );
        return asked.properties.id;
      },
      go: async ({ host }, _, held) => host.answerPermission(held, "once"),
    },
  },
};

describe("ends that come together", () => {
  // The plugin reads what they said only when all have ended: how far apart that is depends on the machine
  // (30 of them took 22 s on one that was busy with eight times its work; five times the quiet is the most).
  const bed = useFaultyHost({
    pluginOptions: { concurrency: 30, maxRunning: 30, mergeMilliseconds: 5_000 },
  });

  for (const [state, { steps, turns, release }] of Object.entries(STATES)) {
    for (const count of new Set([3, state === "is idle" ? 30 : rounds(30)])) {
      const name = `${count} together, ${state}`;
      bed.test(
        `${count} children that end together while the parent ${state}: one notice`,
        async () => {
          const { host, model, faults } = bed;
          const permission =
            state === "waits for a permission"
              ? [{ permission: "bash", pattern: "*", action: "ask" as const }]
              : [];
          const parent = await host.createSession({ title: name, permission });
          model.scriptEvery(name, [[gate(name), text("done")]]);
          const launches = Array.from({ length: count }, (_, index) => launch(`${name}: ${index}`));
          model.scriptSession(parent.id, [launches, ...steps(host, name), forever(text("noted"))]);
          await host.prompt(parent.id, "start them");
          await model.waitForRequest(
            () =>
              model.requests.filter((each) => each.firstUserText.startsWith(name)).length === count,
          );
          const held = await release.ready(bed, parent.id, name);
          const ids = jobIds(bed, parent.id);
          assert.equal(ids.length, count);
          const from = model.cursor;
          const children = await host.children(parent.id);
          const reads = new Set(children.map(({ id }) => `/session/${id}/message`));
          const ended = deferred<void>();
          const letPass = faults.onRequest(({ url }) =>
            reads.has(url) ? ended.promise : undefined,
          );
          model.open(name);
          for (const child of children) await host.waitIdle(child.id);
          ended.resolve();
          letPass();
          await release.go(bed, parent.id, held);
          await model.waitForRequest(
            (each) =>
              each.conversation === parent.id &&
              ids.every((id) => each.allText.includes(`<background_job id="${id}"`)),
            { from },
          );
          await host.waitIdle(parent.id);
          const taken = model.turns(parent.id).filter((turn) => turn.index >= from).length;
          assert.ok(taken <= turns, `${taken} turns for ${count} ends`);
          const last = model.turns(parent.id).at(-1);
          assert.equal(last && noticesIn(last).length, 1);
          for (const id of ids) assert.equal(timesTold(bed, parent.id, id), 1);
        },
      );
    }
  }
});
