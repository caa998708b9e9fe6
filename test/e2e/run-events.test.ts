/** Runs whose events come late, early or not at all, on a real host: what is stored decides, not what is heard. */
import assert from "node:assert/strict";
import { describe } from "node:test";
import { deferred } from "../../fixtures/deferred.js";
import { callTool } from "../../fixtures/host/index.js";
import {
  forever,
  gate,
  httpError,
  text,
  toolCall,
  usage,
  type Step,
} from "../../fixtures/model/index.js";
import {
  carries,
  childOf,
  childTold,
  firstJob,
  launch,
  noticeTo,
  PROMPT_URL,
  timesTold,
} from "./support.js";
import { shareServer, useFaultyProject, type FaultyBed } from "./use-host.js";

shareServer();

const bed = useFaultyProject();

describe("a run that is over before its launch knows of it", () => {
  bed.test("is completed, although it ended before its prompt was answered", async () => {
    const { host, model, faults } = bed;
    const parent = await host.createSession({ title: "early end" });
    const prompt = "task that ends early";
    faults.onAnswer(({ url, body }) => {
      if (!url.endsWith(PROMPT_URL) || !carries(body, prompt)) return undefined;
      const messages = url.replace(PROMPT_URL, "/message");
      // Its idle was heard and its messages were looked at: nothing is left to be heard of it.
      return faults.answers.waitFor((answer) => answer.url === messages).then(() => undefined);
    });
    model.script(prompt, [text("the early answer")]);
    model.scriptSession(parent.id, [launch(prompt), text("started"), forever(text("noted"))]);
    await host.run(parent.id, "start it");
    const notice = await noticeTo(bed, parent.id);
    assert.match(notice, /status="completed"/u);
    assert.match(notice, /^\| the early answer$/mu);
    assert.equal(timesTold(bed, parent.id, firstJob(bed, parent.id)), 1);
  });

  bed.test(
    "is completed, although its session was idle before the launch knew its id",
    async () => {
      const { host, model, faults } = bed;
      const parent = await host.createSession({ title: "early idle" });
      const prompt = "task with an early idle";
      const used = deferred<void>();
      faults.onAnswer(({ url, body }) =>
        url === "/session" && carries(body, prompt) ? used.promise : undefined,
      );
      model.script("typed by a person", [text("to a person"), text("the answer")]);
      model.scriptSession(parent.id, [launch(prompt), text("started"), forever(text("noted"))]);
      await host.prompt(parent.id, "start it");
      const child = await childOf(bed, parent.id);
      await host.run(child, "typed by a person");
      await faults.events.waitFor(
        ({ type, properties }) => type === "session.idle" && properties["sessionID"] === child,
      );
      used.resolve();
      const notice = await noticeTo(bed, parent.id);
      assert.match(notice, /status="completed"/u);
      assert.match(notice, /^\| the answer$/mu);
      assert.ok(!notice.includes("to a person"), notice);
    },
  );
});

interface Moment {
  when: string;
  /** The prompt of the next run stands still until the idle was met. */
  holdsPrompt?: true;
  /** What the model does in the next run before its answer. */
  steps: Step[];
  /** Resolves at that moment. */
  reached: (bed: FaultyBed, child: string) => Promise<unknown>;
  /** The last thing that is asked of the host when an idle is heard then. */
  asked: RegExp;
}

const MOMENTS: Moment[] = [
  {
    when: "while the prompt is on its way",
    holdsPrompt: true,
    steps: [],
    reached: ({ faults }) => faults.requests.waitFor(({ body }) => carries(body, "and now more")),
    asked: /\/message$/u,
  },
  {
    when: "while the host compacts the session",
    steps: [[toolCall("bash", { command: "true", description: "x" }), usage(99_000, 100)]],
    reached: ({ model }, child) =>
      model.waitForRequest(
        ({ kind, conversation }) => kind === "compaction" && conversation === child,
      ),
    asked: /^\/session\/status$/u,
  },
  {
    when: "while the host waits to ask its provider again",
    steps: [httpError(500)],
    reached: ({ host }, child) =>
      host.waitFor(
        "session.status",
        ({ sessionID, status }) => sessionID === child && status.type === "retry",
      ),
    asked: /^\/session\/status$/u,
  },
];

describe("an idle of an earlier run", () => {
  for (const { when, holdsPrompt = false, steps, reached, asked } of MOMENTS) {
    bed.test(`ends nothing when it comes ${when} of the next one`, async () => {
      const { host, model, faults } = bed;
      const parent = await host.createSession({ title: when });
      const prompt = `task, idle ${when}`;
      const child = childTold(bed, prompt);
      const [late, met] = [deferred<void>(), deferred<void>()];
      let idles = 0;
      faults.onEvent(({ type, properties }) => {
        const isIdle = type === "session.idle" || carries(properties, '"status":{"type":"idle"}');
        if (!isIdle || properties["sessionID"] !== child()) return undefined;
        idles += 1;
        // The first run ends by one; the next run's own come after these two.
        return idles === 2 ? late.promise : undefined;
      });
      faults.onRequest(({ body }) =>
        holdsPrompt && carries(body, "and now more") ? met.promise : undefined,
      );
      model.side("compaction", [gate(prompt), text("A summary.")]);
      model.script(prompt, [text("first answer"), ...steps, [gate(prompt), text("second answer")]]);
      model.scriptSession(parent.id, [launch(prompt), text("started"), text("noted")]);
      await host.run(parent.id, "start it");
      await noticeTo(bed, parent.id, /first answer/u);
      await host.waitIdle(parent.id);
      assert.equal(idles, 2);
      const taskId = firstJob(bed, parent.id);
      const continuing = callTool(host, model, parent.id, "createBackgroundTask", {
        taskId,
        description: "more",
        prompt: "and now more",
        agent: "general",
      });
      await reached(bed, child());
      const from = faults.answers.cursor;
      late.resolve();
      await faults.answers.waitFor(({ url }) => asked.test(url), { from, what: String(asked) });
      met.resolve();
      assert.match(await continuing, new RegExp(`^${taskId} running`, "u"));
      const state = await callTool(host, model, parent.id, "getBackgroundTask", { taskId });
      assert.match(state, new RegExp(`^${taskId} running`, "u"));
      model.open(prompt);
      const notice = await noticeTo(bed, parent.id, /second answer/u);
      assert.match(notice, /status="completed"/u);
      assert.equal(timesTold(bed, parent.id, taskId), 2);
    });
  }
});
