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
import { shareServer, useFaultyProject } from "./use-host.js";

shareServer();

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

/** How many ends a toast tells of: a line for each of the first, then the number of the others. */
function endsIn(message: string): number {
  const [, more = "0"] = /^and (\d+) more$/mu.exec(message) ?? [];
  return (message.match(/^".*" completed$/gmu)?.length ?? 0) + Number(more);
}

describe("ends that come together", () => {
  // The plugin asks for the parent before it sends anything. It gets no answer before it has seen all of them end,
  // which its toasts tell: the order is forced, however busy the machine is.
  const bed = useFaultyProject({ pluginOptions: { concurrency: 30, maxRunning: 30 } });

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
          const allEnded = deferred<void>();
          let ended = 0;
          const stopHolding = faults.onRequest(({ url, body }) => {
            if (url === "/tui/show-toast") ended += endsIn(String(body["message"]));
            if (ended >= count) allEnded.resolve();
            return url === `/session/${parent.id}` ? allEnded.promise : undefined;
          });
          model.open(name);
          await allEnded.promise;
          stopHolding();
          assert.equal(ended, count);
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
          // To judge and to quote it: what a child says is read once.
          for (const child of await host.children(parent.id)) {
            const reads = faults.requests.items.filter(
              ({ method, url }) => method === "GET" && url === `/session/${child.id}/message`,
            );
            assert.equal(reads.length, 1, child.title);
          }
        },
      );
    }
  }
});
