/** Runs of which nothing is heard, on a real host: the slow check looks, and a failed look is no answer. */
import assert from "node:assert/strict";
import { describe } from "node:test";
import { text } from "../../fixtures/model/index.js";
import {
  carries,
  childTold,
  firstJob,
  launch,
  noticesIn,
  noticeTo,
  PROMPT_URL,
} from "./support.js";
import { useFaultyHost } from "./use-host.js";

/** The slow check looks after 15 to 20 s of silence, and again as long after that. */
const PATIENCE_MS = 100_000;
const TEST_TIMEOUT_MS = 240_000;

// They wait side by side.
describe("a run of which nothing is heard", { concurrency: true }, () => {
  const bed = useFaultyHost();

  bed.test(
    "is ended by the slow check, and not before the host can say how it stands",
    async () => {
      const { host, model, faults } = bed;
      const parent = await host.createSession({ title: "unheard" });
      const prompt = "task that answers unheard";
      const child = childTold(bed, prompt);
      faults.onEvent(({ properties }) =>
        properties["sessionID"] === child() ? { drop: true } : undefined,
      );
      let failing = "/session/status";
      faults.onRequest(({ url }) => (url === failing ? { reject: "broken" } : undefined));
      model.script(prompt, [text("the unheard answer")]);
      model.scriptSession(parent.id, [launch(prompt), text("started"), text("noted")]);
      await host.run(parent.id, "start it");
      const taskId = firstJob(bed, parent.id);
      await host.waitIdle(child());
      const unknown = (why: string) =>
        faults.requests.waitFor(
          ({ url, body }) =>
            url === "/log" &&
            carries(body, "state is unknown for now") &&
            carries(body, taskId) &&
            carries(body, why),
          { timeoutMs: PATIENCE_MS, what: `"${why}" in the plugin's log` },
        );
      await unknown("could not read the sessions' status: broken");
      failing = `/session/${child()}/message`;
      await unknown(`could not read the messages of ${child()}: broken`);
      assert.deepEqual(noticesIn(model.turns(parent.id).at(-1) ?? assert.fail()), []);
      failing = "";
      const notice = await noticeTo(bed, parent.id);
      assert.match(notice, /status="completed"/u);
      assert.match(notice, /^\| the unheard answer$/mu);
    },
    TEST_TIMEOUT_MS,
  );

  for (const [what, lose, stored] of [
    ["was lost", () => ({ answer: {} }), 0],
    ["started nothing", (body: object) => ({ send: { body: { ...body, noReply: true } } }), 1],
  ] as const) {
    for (const heard of [false, true]) {
      const end = heard ? "ended by the answer to that" : "has then never started";
      bed.test(
        `is prompted once more when its prompt ${what}, and ${end}`,
        async () => {
          const { host, model, faults } = bed;
          const parent = await host.createSession({ title: what });
          const prompt = `task whose prompt ${what}, ${end}`;
          const child = childTold(bed, prompt);
          const sent: Record<string, unknown>[] = [];
          faults.onRequest(({ url, body }) => {
            if (child() === "" || url !== `/session/${child()}${PROMPT_URL}`) return undefined;
            sent.push(body);
            return heard && sent.length > 1 ? undefined : lose(body);
          });
          model.script(prompt, [text("the late answer")]);
          model.scriptSession(parent.id, [launch(prompt), text("started"), text("noted")]);
          await host.run(parent.id, "start it");
          const notice = await noticeTo(bed, parent.id, /./u, PATIENCE_MS);
          const [first, second, ...more] = sent;
          assert.deepEqual(more, []);
          assert.equal(second?.["messageID"], first?.["messageID"]);
          // Said again only if it is not there.
          assert.deepEqual(second?.["parts"], stored ? [] : first?.["parts"]);
          assert.equal((await host.userMessages(child())).length, heard ? 1 : stored);
          if (heard) {
            assert.match(notice, /status="completed"/u);
            assert.match(notice, /^\| the late answer$/mu);
          } else {
            assert.match(notice, /status="failed" reason="never_started"/u);
            assert.deepEqual(model.turns(child()), []);
          }
        },
        TEST_TIMEOUT_MS,
      );
    }
  }
});
