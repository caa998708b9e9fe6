/** Runs that do not start as they should, on a real host: what is refused, what gets lost, what comes too early. */
import assert from "node:assert/strict";
import { describe } from "node:test";
import type { AnswerFate, HostRequest, RequestFate } from "../../fixtures/host/index.js";
import { forever, gate, text, type ModelRequest } from "../../fixtures/model/index.js";
import { carries, childOf, launch, noticeTo, PROMPT_URL, type TestBed } from "./support.js";
import { shareServer, useFaultyProject } from "./use-host.js";

shareServer();

interface Refusal {
  what: string;
  url: string;
  fate: (request: HostRequest) => RequestFate;
  told: RegExp;
}

const breaking = (): AnswerFate => ({ reject: "the connection broke" });

const REFUSALS: Refusal[] = [
  {
    what: "its session is refused",
    url: "/session",
    fate: ({ body }) => ({ send: { body: { ...body, parentID: 5 } } }),
    told: /could not create a session: HTTP 400/u,
  },
  {
    what: "the request for its session breaks",
    url: "/session",
    fate: breaking,
    told: /could not create a session: the connection broke/u,
  },
  {
    what: "its prompt is refused",
    url: PROMPT_URL,
    fate: ({ body }) => ({ send: { body: { ...body, parts: 5 } } }),
    told: /could not prompt session ses_\w+: HTTP 400/u,
  },
  {
    what: "the request with its prompt breaks",
    url: PROMPT_URL,
    fate: breaking,
    told: /could not prompt session ses_\w+: the connection broke/u,
  },
];

describe("a run that cannot start fails at once with the host's words, and its slot is free", () => {
  const bed = useFaultyProject({ pluginOptions: { concurrency: 1 } });

  for (const { what, url, fate, told } of REFUSALS) {
    bed.test(`when ${what}`, async () => {
      const { host, model, faults } = bed;
      const parent = await host.createSession({ title: what });
      faults.onRequest((request) =>
        request.url.endsWith(url) && !request.url.includes(parent.id) && carries(request.body, what)
          ? fate(request)
          : undefined,
      );
      model.script(`after: ${url}`, [text("done")]);
      model.scriptSession(parent.id, [
        launch(what),
        launch(`after: ${url}`),
        text("started"),
        forever(text("noted")),
      ]);
      await host.run(parent.id, "start two");
      const [first = "", second = ""] = model.turns(parent.id)[2]?.toolResults ?? [];
      assert.match(first, /^bg_\w+ failed · /u);
      assert.match(first, told);
      assert.match(second, /^bg_\w+ running/u);
      await noticeTo(bed, parent.id, /status="completed"/u);
      const children = await host.children(parent.id);
      for (const { id } of children) {
        assert.deepEqual(
          model.turns(id).filter(({ firstUserText }) => firstUserText === what),
          [],
        );
      }
    });
  }
});

describe("a run whose beginning is disturbed", () => {
  const bed = useFaultyProject();

  bed.test(
    "fails when the answer to its prompt is lost, and what it began is aborted",
    async () => {
      const { host, model, faults } = bed;
      const parent = await host.createSession({ title: "lost answer" });
      const prompt = "task of a lost answer";
      model.script(prompt, [[text("x"), gate("never")]]);
      faults.onAnswer((answer) =>
        answer.url.endsWith(PROMPT_URL) && carries(answer.body, prompt)
          ? model.waitForRequest(isOfChild(prompt, parent.id)).then(breaking)
          : undefined,
      );
      model.scriptSession(parent.id, [launch(prompt), text("started"), forever(text("noted"))]);
      await host.run(parent.id, "start it");
      assert.match(launchAnswer(bed, parent.id), /^bg_\w+ failed · [^]*the connection broke/u);
      const [run] = model.turns(isOfChild(prompt, parent.id));
      assert.equal(await run?.ended, "aborted");
    },
  );

  for (const [agent, refused] of [
    ["general", true],
    ["explore", false],
  ] as const) {
    const what = refused ? "may change files is refused" : "may only read runs";
    bed.test(`whose limits the host did not take: an agent that ${what}`, async () => {
      const { host, model, faults } = bed;
      const parent = await host.createSession({ title: agent });
      const prompt = `task without limits for ${agent}`;
      model.script(prompt, [text("the answer")]);
      faults.onRequest((request) => {
        if (request.url !== "/session" || !carries(request.body, prompt)) return undefined;
        const { permission: _, ...body } = request.body;
        return { send: { body } };
      });
      model.scriptSession(parent.id, [
        launch(prompt, { agent }),
        text("started"),
        forever(text("noted")),
      ]);
      await host.run(parent.id, "start it");
      const answer = launchAnswer(bed, parent.id);
      if (refused) {
        assert.match(answer, /^bg_\w+ failed · /u);
        assert.match(
          answer,
          /the parent's limits \(question, task, createBackgroundTask\) are not in force in the child session, so it was not allowed to run/u,
        );
        const child = await childOf(bed, parent.id);
        assert.deepEqual(await host.messages(child), [], "it was prompted all the same");
      } else assert.match(await noticeTo(bed, parent.id), /^\| the answer$/mu);
    });
  }
});

/** What the first launch of this session was answered. */
function launchAnswer({ model }: TestBed, sessionID: string): string {
  return model.turns(sessionID)[1]?.toolResults[0] ?? "";
}

function isOfChild(prompt: string, parentID: string): (request: ModelRequest) => boolean {
  return ({ conversation, firstUserText }) =>
    conversation !== parentID && firstUserText.includes(prompt);
}
