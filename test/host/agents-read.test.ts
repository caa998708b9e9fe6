/** How often the host is asked for its agents. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createOpencodeClient } from "@opencode-ai/sdk/v2/client";
import { HostError } from "../../src/host/host.js";
import { OpenCodeHost } from "../../src/host/opencode-host.js";
import { deferred } from "../../fixtures/deferred.js";
import { answering } from "../tui/answering.js";

void describe("the host's agents", () => {
  void it("are asked for once by calls at the same time, and anew by a later one", async () => {
    const answers = [deferred<Response>(), deferred<Response>(), deferred<Response>()];
    let asked = 0;
    const fetch = answering(() => answers[asked++]?.promise ?? assert.fail("asked too often"));
    const host = new OpenCodeHost(createOpencodeClient({ baseUrl: "http://localhost", fetch }));
    const answer = (name: string) => Response.json([{ name, mode: "subagent" }]);
    const names = async () => (await host.agents()).map(({ name }) => name);

    const together = [names(), names()];
    answers[0]?.resolve(answer("explore"));
    assert.deepEqual(await Promise.all(together), [["explore"], ["explore"]]);

    const refused = [host.agents(), host.agents()].map((each) => assert.rejects(each, HostError));
    answers[1]?.resolve(new Response("no", { status: 500 }));
    await Promise.all(refused);

    const later = names();
    answers[2]?.resolve(answer("general"));
    assert.deepEqual(await later, ["general"]);
    assert.equal(asked, 3);
  });
});
