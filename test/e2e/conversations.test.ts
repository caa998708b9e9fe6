/** What conversations cost the agent, on a real host: turns, calls that only read, and characters, each bounded. */
import assert from "node:assert/strict";
import { describe } from "node:test";
import { CONVERSATIONS, converse, type Counted } from "../../fixtures/conversations/index.js";
import { useHost } from "./use-host.js";

/** Measured, with some room for the lengths of ids, times and paths: `npm run bench -- conversations`. */
const MOST: Readonly<Record<string, Omit<Counted, "complete" | "shown">>> = {
  "server start, pattern in the wrong case": { turns: 2, reads: 0, characters: 300 },
  "a build of 5,000 lines that fails in the middle": { turns: 3, reads: 0, characters: 1_700 },
  "three researchers of 3,000 characters": { turns: 3, reads: 0, characters: 10_800 },
  "one result of 30,000 characters": { turns: 5, reads: 2, characters: 38_500 },
  "twelve subagents from one loop": { turns: 3, reads: 0, characters: 10_200 },
  "a message to a running subagent": { turns: 4, reads: 0, characters: 2_100 },
};

describe("what a conversation costs the agent", () => {
  // Ends that come together are one notice, however slow the machine is.
  const pluginOptions = { concurrency: 12, maxRunning: 12, mergeMilliseconds: 3_000 };
  const bed = useHost({ pluginOptions });

  for (const title of Object.keys(CONVERSATIONS)) {
    const most = MOST[title];
    bed.test(`${title}: at most ${JSON.stringify(most)}`, async () => {
      assert.ok(most);
      const { complete, shown, ...counted } = await converse(bed, title);
      console.log(`${title}: ${JSON.stringify(counted)}`);
      assert.ok(complete, shown);
      assert.ok(counted.turns <= most.turns, `${counted.turns} turns\n${shown}`);
      assert.ok(counted.reads <= most.reads, `${counted.reads} calls that read\n${shown}`);
      assert.ok(
        counted.characters <= most.characters,
        `${counted.characters} characters\n${shown}`,
      );
      // Nearly the same prompt is no duplicate.
      assert.doesNotMatch(shown, /same prompt/u);
    });
  }
});
