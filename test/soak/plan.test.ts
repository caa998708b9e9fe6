/**
 * A host that is killed in the midst of a plan: nothing of it is started twice, nothing that waited starts before its
 * session is used again, and everything of it ends in a way that its parent can see.
 */
import assert from "node:assert/strict";
import { describe } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { delay, forever, text, toolCall, type ModelRequest } from "../../fixtures/model/index.js";
import { launch, type TestBed } from "../e2e/support.js";
import { useHost } from "../e2e/use-host.js";
import { rounds } from "../rounds.js";

const HOUR_MS = 3_600_000;
const LATEST_KILL_MS = 4_000;
const ASKED = "what became of the plan?";
const NAMES = ["top", "left", "right", "last"] as const;

describe("a host that is killed in the midst of a diamond", () => {
  const bed = useHost({ pluginOptions: { toasts: false, keepEnded: 5_000 } });
  const count = rounds(20);

  bed.test(
    `starts nothing twice, and all of it ends, killed ${count} times`,
    async () => {
      const { host, model } = bed;
      const seen = new Map<string, number>();
      for (let round = 0; round < count; round++) {
        const sessionID = await play(bed, round);
        const before = conversations(bed, round);
        // Started, and not used: nothing goes on by itself.
        await host.messages(sessionID);
        assert.deepEqual(conversations(bed, round), before);
        await host.run(sessionID, ASKED);
        const answer = model.turns(sessionID).at(-1)?.toolResults.at(-1) ?? "";
        assert.match(answer, /^group "plan": (\d)\/\1 done|group: expected a group/mu);
        for (const [name, times] of conversations(bed, round)) {
          assert.ok(times <= 1, `${name} was started ${times} times in round ${round}`);
        }
        const ends = answer.match(/^(?:bg|proc)_\w+ \w+(?: \(\w+\))?/gmu) ?? [];
        for (const end of ends) {
          const how = end.replace(/^\w+ /u, "");
          seen.set(how, (seen.get(how) ?? 0) + 1);
          assert.doesNotMatch(how, /^(?:running|pending)/u);
        }
      }
      console.log(`plans: ${count}, ends: ${JSON.stringify(Object.fromEntries(seen))}`);
    },
    HOUR_MS,
  );
});

function promptOf(name: string, round: number): string {
  return `round ${round} ${name}.`;
}

/** Starts the diamond, kills the host at a random moment and starts it again. */
async function play({ host, model }: TestBed, round: number): Promise<string> {
  const { id } = await host.createSession({ title: `plan ${round}` });
  for (const name of NAMES) {
    const prompt = promptOf(name, round);
    const isIt = ({ firstUserText }: ModelRequest) => firstUserText.endsWith(prompt);
    model.scriptEvery(isIt, [[delay(Math.random() * 800), text("done")], forever(text("done"))]);
  }
  const part = (name: string, ...after: string[]) =>
    launch(promptOf(name, round), {
      description: `${round} ${name}`,
      group: "plan",
      ...(after.length > 0 && { after: after.map((each) => `${round} ${each}`) }),
    });
  const steps = [
    part("top"),
    part("left", "top"),
    part("right", "top"),
    part("last", "left", "right"),
    toolCall("createBackgroundProcess", {
      command: "echo tested",
      group: "plan",
      after: [`${round} last`],
    }),
  ];
  const wait = toolCall("getBackgroundTask", { group: "plan", wait: 60 });
  const each = (request: ModelRequest) =>
    isAsked(request) ? wait : (steps.shift() ?? text("noted"));
  model.scriptSession(id, [forever(each)]);
  await host.prompt(id, `start plan ${round}`);
  // The moment itself is what is tried out: no event may choose it.
  await sleep(Math.random() * LATEST_KILL_MS);
  await host.restart("SIGKILL");
  // What was not started by then is not asked for any more.
  steps.length = 0;
  return id;
}

function isAsked(request: ModelRequest): boolean {
  return request.messages.at(-1)?.role === "user" && request.allText.includes(ASKED);
}

/** In how many sessions each part was worked on. */
function conversations({ model }: TestBed, round: number): Map<string, number> {
  return new Map(
    NAMES.map((name) => {
      const turns = model.turns(({ firstUserText }) =>
        firstUserText.endsWith(promptOf(name, round)),
      );
      return [name, new Set(turns.map(({ conversation }) => conversation)).size];
    }),
  );
}
