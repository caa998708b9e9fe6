/** What several calls of one message ask of the host at the same time is asked once. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createOpencodeClient } from "@opencode-ai/sdk/v2/client";
import { HostError } from "../../src/host/host.js";
import { OpenCodeHost } from "../../src/host/opencode-host.js";
import { deferred } from "../../fixtures/deferred.js";
import { answering } from "../tui/answering.js";

const session = (title: string) =>
  Response.json({ id: "ses_1", title, directory: "/project", time: { created: 0 } });

const cases = {
  "the host's agents": {
    ask: async (host: OpenCodeHost) => (await host.agents()).map(({ name }) => name).join(),
    answer: (name: string) => Response.json([{ name, mode: "subagent" }]),
  },
  "a session": {
    ask: async (host: OpenCodeHost) => (await host.sharedSession("ses_1"))?.title,
    answer: session,
  },
  "who answers in a message": {
    ask: async (host: OpenCodeHost) => (await host.speaker("ses_1", "msg_1"))?.agent,
    answer: (agent: string) => Response.json({ info: { agent, providerID: "a", modelID: "b" } }),
  },
};

void describe("asked of the host", () => {
  for (const [what, { ask, answer }] of Object.entries(cases)) {
    void it(`${what}: once by calls at the same time, and anew by a later one`, async () => {
      const answers = [deferred<Response>(), deferred<Response>(), deferred<Response>()];
      let asked = 0;
      const fetch = answering(() => answers[asked++]?.promise ?? assert.fail("asked too often"));
      const host = new OpenCodeHost(createOpencodeClient({ baseUrl: "http://localhost", fetch }));

      const together = [ask(host), ask(host)];
      answers[0]?.resolve(answer("first"));
      assert.deepEqual(await Promise.all(together), ["first", "first"]);

      const refused = [ask(host), ask(host)].map((each) => assert.rejects(each, HostError));
      answers[1]?.resolve(new Response("no", { status: 500 }));
      await Promise.all(refused);

      const later = ask(host);
      answers[2]?.resolve(answer("later"));
      assert.equal(await later, "later");
      assert.equal(asked, 3);
    });
  }

  void it("a session that decides what is sent: by each call", async () => {
    let asked = 0;
    const fetch = answering(() => Promise.resolve(session(`answer ${++asked}`)));
    const host = new OpenCodeHost(createOpencodeClient({ baseUrl: "http://localhost", fetch }));
    const [first, second] = await Promise.all([host.session("ses_1"), host.session("ses_1")]);
    assert.notEqual(first?.title, second?.title);
    assert.equal(asked, 2);
  });

  void it("who answers in a message of a user: unknown", async () => {
    const info = { role: "user", agent: "build", model: { providerID: "a", modelID: "b" } };
    const fetch = answering(() => Response.json({ info, parts: [] }));
    const host = new OpenCodeHost(createOpencodeClient({ baseUrl: "http://localhost", fetch }));
    assert.equal(await host.speaker("ses_1", "msg_1"), undefined);
  });

  void it("who answers in a message that is gone: unknown", async () => {
    const fetch = answering(() => Promise.resolve(new Response("{}", { status: 404 })));
    const host = new OpenCodeHost(createOpencodeClient({ baseUrl: "http://localhost", fetch }));
    assert.equal(await host.speaker("ses_1", "msg_1"), undefined);
  });
});
