/**
 * No notice lost and none doubled, over many rounds on a real host: at the edge of a parent's run, and with
 * parents that are idle, busy, stopped by their user or being compacted.
 */
import assert from "node:assert/strict";
import { describe } from "node:test";
import { forever, gate, text, toolCall } from "../../fixtures/model/index.js";
import { HEADER, jobIds, launch, noticesIn, type TestBed } from "../e2e/support.js";
import { useHost } from "../e2e/use-host.js";
import { rounds } from "../rounds.js";

const HOUR_MS = 3_600_000;

/** Milliseconds between the child's last word and the parent's: the prompt of the notice falls in between. */
const EDGE_MS = [0, 25, 50, 75, 100, 125, 150, 200, 300, 400];

describe("a notice at the end of its parent's run", () => {
  const bed = useHost({ pluginOptions: { mergeMilliseconds: 0 } });
  const count = rounds(200, 17);

  bed.test(
    `is answered and not doubled, ${count} times before, at and after it`,
    async () => {
      const { host, model } = bed;
      const told = { once: 0, never: 0, more: 0 };
      for (let round = 0; round < count; round++) {
        const parent = await host.createSession({ title: `edge ${round}` });
        const name = `edge child ${round}.`;
        model.script(name, [[gate(`child ${round}`), text("done")]]);
        model.scriptSession(parent.id, [
          launch(name),
          [text("working "), gate(`parent ${round}`), text("and done")],
          forever(text("noted")),
        ]);
        await host.prompt(parent.id, `start ${round}`);
        await host.waitFor(
          "message.part.delta",
          ({ sessionID, delta }) => sessionID === parent.id && delta === "working ",
        );
        await atTheEdge(bed, round, parent.id);
        const [id = ""] = jobIds(bed, parent.id);
        await model.waitForRequest(
          (each) =>
            each.conversation === parent.id && each.allText.includes(`<background_job id="${id}"`),
          { timeoutMs: 30_000 },
        );
        await settle(bed, parent.id);
        tally(told, times(bed, parent.id, id));
        await host.deleteSession(parent.id);
      }
      console.log(`edge: ${count} deliveries, ${JSON.stringify(told)}`);
      assert.deepEqual(told, { once: count, never: 0, more: 0 });
    },
    HOUR_MS,
  );
});

/** A third of the rounds each: the notice is stored before the parent ends, about then, or after. */
async function atTheEdge({ host, model }: TestBed, round: number, parentID: string): Promise<void> {
  if (round % 3 === 0) {
    model.open(`child ${round}`);
    await host.waitFor(
      "message.part.updated",
      ({ part }) =>
        part.sessionID === parentID && part.type === "text" && part.text.includes(HEADER),
    );
    model.open(`parent ${round}`);
  } else if (round % 3 === 1) {
    model.open(`child ${round}`);
    // Swept over the rounds, because no event tells when the prompt is about to be sent.
    setTimeout(() => model.open(`parent ${round}`), EDGE_MS[((round - 1) / 3) % EDGE_MS.length]);
  } else {
    const from = host.events.cursor;
    model.open(`parent ${round}`);
    await host.waitFor("session.idle", ({ sessionID }) => sessionID === parentID, { from });
    model.open(`child ${round}`);
  }
}

const STATES = ["idle", "busy", "stopped", "compacting"] as const;
const CHILDREN = 10;

describe("notices to parents in every state", () => {
  const bed = useHost({ pluginOptions: { concurrency: 10, toasts: false } });
  const batches = rounds(1_000 / CHILDREN, 20);

  bed.test(
    `are told once each, ${batches * CHILDREN} ends in ${batches} sessions`,
    async () => {
      const { host, model } = bed;
      const told = { once: 0, never: 0, more: 0 };
      for (let batch = 0; batch < batches; batch++) {
        const state = STATES[batch % STATES.length] ?? "idle";
        const parent = await host.createSession({ title: `${state} ${batch}` });
        const name = `batch ${batch} child`;
        model.scriptEvery(name, [[gate(name), text("done")]]);
        const launches = Array.from({ length: CHILDREN }, (_, index) => launch(`${name} ${index}`));
        const rest = [
          text("working "),
          gate(`parent of ${batch}`),
          toolCall("bash", { command: "true", description: "x" }),
        ];
        const isHeld = state === "busy" || state === "stopped";
        model.scriptSession(parent.id, [
          launches,
          isHeld ? rest : text("started"),
          forever(text("noted")),
        ]);
        await host.prompt(parent.id, `start ${batch}`);
        if (isHeld) {
          await host.waitFor(
            "message.part.delta",
            ({ sessionID, delta }) => sessionID === parent.id && delta === "working ",
          );
        } else await host.waitIdle(parent.id);
        const ids = jobIds(bed, parent.id);
        assert.equal(ids.length, CHILDREN);
        if (state === "stopped") {
          await host.abort(parent.id);
          await host.waitIdle(parent.id);
        }
        model.open(name);
        if (state === "compacting") {
          await host.client.session.summarize({
            sessionID: parent.id,
            providerID: "scripted",
            modelID: "m1",
          });
        }
        for (const child of await host.children(parent.id))
          await host.waitIdle(child.id, { timeoutMs: 60_000 });
        model.open(`parent of ${batch}`);
        await settle(bed, parent.id);
        // What has not been told by now rides with the user's next message.
        await host.run(parent.id, `and now ${batch}?`);
        await untilTold(bed, parent.id, ids);
        await settle(bed, parent.id);
        for (const id of ids) tally(told, await timesStored(bed, parent.id, id));
        await host.deleteSession(parent.id);
      }
      console.log(`states: ${batches * CHILDREN} ends, ${JSON.stringify(told)}`);
      assert.deepEqual(told, { once: batches * CHILDREN, never: 0, more: 0 });
    },
    HOUR_MS,
  );
});

/** Idle, and every user message is answered: nothing of ours is under way any more. */
async function settle({ host }: TestBed, sessionID: string): Promise<void> {
  for (;;) {
    const from = host.events.cursor;
    const { data: status } = await host.client.session.status();
    const messages = (await host.messages(sessionID)).map(({ info }) => info);
    const lastUser = messages.findLast(({ role }) => role === "user");
    const answered = messages.some(
      (info) => info.role === "assistant" && info.parentID >= (lastUser?.id ?? ""),
    );
    if (status?.[sessionID] === undefined && answered) return;
    await host.waitFor("session.idle", (idle) => idle.sessionID === sessionID, {
      from,
      timeoutMs: 60_000,
    });
  }
}

/** A child's end is known a moment after its idle was heard; what is not told within a minute never is. */
async function untilTold(bed: TestBed, sessionID: string, ids: readonly string[]): Promise<void> {
  const end = Date.now() + 60_000;
  for (;;) {
    const from = bed.host.events.cursor;
    const times = await Promise.all(ids.map((id) => timesStored(bed, sessionID, id)));
    const timeoutMs = end - Date.now();
    if (times.every((count) => count > 0) || timeoutMs <= 0) return;
    const isHeader = ({ part }: { part: { sessionID: string; type: string; text?: string } }) =>
      part.sessionID === sessionID && part.type === "text" && part.text?.includes(HEADER) === true;
    await bed.host.waitFor("message.part.updated", isHeader, { from, timeoutMs });
  }
}

/** As the model saw it in its last turn. */
function times({ model }: TestBed, sessionID: string, jobID: string): number {
  const last = model.turns(sessionID).at(-1);
  const texts = last ? noticesIn(last) : [];
  return texts.filter((each) => each.includes(`<background_job id="${jobID}"`)).length;
}

/** In the stored session: a compaction hides earlier messages from the model, but deletes none. */
async function timesStored({ host }: TestBed, sessionID: string, jobID: string): Promise<number> {
  const parts = (await host.messages(sessionID)).flatMap((message) => message.parts);
  return parts.filter(
    (part) =>
      part.type === "text" && part.synthetic && part.text.includes(`<background_job id="${jobID}"`),
  ).length;
}

function tally(told: { once: number; never: number; more: number }, count: number): void {
  if (count === 0) told.never += 1;
  else if (count === 1) told.once += 1;
  else told.more += 1;
}
