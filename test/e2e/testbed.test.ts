// Shows that the test bed itself can be believed: each thing it scripts or reports is seen to happen
// on the real host, with a plugin too small to be wrong.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe } from "node:test";
import {
  callTool,
  callTools,
  PACKAGE_ROOT,
  PROVIDER,
  startHost,
} from "../../fixtures/host/index.js";
import {
  cutStream,
  empty,
  gate,
  httpError,
  text,
  toolCall,
  usage,
} from "../../fixtures/model/index.js";
import { useHost } from "./use-host.js";

const TRIVIAL = join(PACKAGE_ROOT, "fixtures/plugins/trivial.js");
const plugins = [[TRIVIAL, { greeting: "heard" }]] as const;

describe("a scripted turn on a real host", () => {
  const bed = useHost({ plugins });

  bed.test("answers with text, and its title request uses up no step", async () => {
    const { host, model } = bed;
    const session = await host.createSession();
    model.script("say hello", [[text("Hello there", { chunk: 4 }), usage(123, 45)]]);
    const answer = await host.run(session.id, "say hello");
    assert.equal(await host.answerText(session.id), "Hello there");
    assert.equal(answer.tokens.input, 123);
    assert.equal(answer.tokens.output, 45);
    await host.waitFor("session.updated", ({ info }) => info.title === "A scripted title");
    const requests = model.requests.filter((each) => each.conversation === session.id);
    assert.deepEqual(requests.map((each) => each.kind).sort(), ["title", "turn"]);
  });

  bed.test("runs the plugin's tool and shows the model its result", async () => {
    const { host, model } = bed;
    const session = await host.createSession({ title: "tools" });
    model.script("use the tool", [
      [toolCall("echo", { text: "one" }), toolCall("echo", { text: "two" })],
      (request) => toolCall("echo", { text: `after ${request.toolResults.at(-1)}` }),
      text("done"),
    ]);
    await host.run(session.id, "use the tool");
    const turns = model.turns(session.id);
    assert.ok(turns[0]?.toolNames.includes("echo"));
    assert.deepEqual(turns[2]?.toolResults, [
      "heard: one",
      "heard: two",
      "heard: after heard: two",
    ]);
    assert.equal(await host.answerText(session.id), "done");
  });

  bed.test("calls tools for a test and gives what the model was shown", async () => {
    const { host, model } = bed;
    const session = await host.createSession({ title: "calls" });
    const answers = await callTools(host, model, session.id, [
      ["echo", { text: "one" }],
      ["echo", { text: "two" }],
    ]);
    assert.deepEqual(answers, ["heard: one", "heard: two"]);
    assert.equal(await callTool(host, model, session.id, "echo", { text: "3" }), "heard: 3");
  });

  bed.test("keeps a conversation's script over a compaction", async () => {
    const { host, model } = bed;
    const session = await host.createSession({ title: "compaction" });
    model.script("remember the start", [text("before"), text("after")]);
    await host.run(session.id, "remember the start");
    await host.client.session.summarize({
      sessionID: session.id,
      providerID: PROVIDER,
      modelID: "m1",
    });
    await host.waitFor("session.compacted", ({ sessionID }) => sessionID === session.id);
    await host.run(session.id, "go on");
    const kinds = model.requests.filter((each) => each.conversation === session.id);
    assert.deepEqual(
      kinds.map((each) => each.kind),
      ["turn", "compaction", "turn"],
    );
    assert.match(await host.answerText(session.id), /^before.*scripted summary.*after$/);
  });

  bed.test("stands still at a gate in the middle of a text until it is opened", async () => {
    const { host, model } = bed;
    const session = await host.createSession({ title: "gate" });
    model.script("wait for me", [[text("before "), gate("middle"), text("after")]]);
    const user = await host.prompt(session.id, "wait for me");
    await host.waitFor("message.part.delta", ({ delta }) => delta === "before ");
    const status = await host.client.session.status();
    assert.equal(status.data?.[session.id]?.type, "busy");
    model.open("middle");
    await host.waitAnswered(session.id, user);
    assert.equal(await host.answerText(session.id), "before after");
  });

  bed.test("gives the provider's error to the session and its message", async () => {
    const { host, model } = bed;
    const session = await host.createSession({ title: "error" });
    model.script("be refused", [httpError(401), text("better now")]);
    const answer = await host.run(session.id, "be refused");
    assert.equal(answer.error?.name, "APIError");
    assert.match(JSON.stringify(answer.error), /scripted 401/);
    await host.waitFor("session.error", ({ sessionID }) => sessionID === session.id);
    const next = await host.run(session.id, "again");
    assert.equal(next.error, undefined);
  });

  bed.test("lets the host retry after a server error", async () => {
    const { host, model } = bed;
    const session = await host.createSession({ title: "retry" });
    model.script("fail once", [httpError(500, "oops", { "retry-after-ms": "50" }), text("second")]);
    await host.run(session.id, "fail once");
    const retry = await host.waitFor(
      "session.status",
      ({ sessionID, status }) => sessionID === session.id && status.type === "retry",
    );
    assert.match(JSON.stringify(retry), /"attempt":1/);
    assert.equal(await host.answerText(session.id), "second");
    assert.deepEqual(
      model.turns(session.id).map((turn) => turn.end),
      ["httpError", "answered"],
    );
  });

  bed.test("cuts a stream after the text that was sent", async () => {
    const { host, model } = bed;
    const session = await host.createSession({ title: "cut" });
    model.script("lose the line", [[text("half of it"), gate("cut"), cutStream()], httpError(400)]);
    await host.prompt(session.id, "lose the line");
    await host.waitFor("message.part.delta", ({ delta }) => delta === "half of it");
    model.open("cut");
    const cut = await model.waitForRequest((request) => request.conversation === session.id);
    assert.equal(await cut.ended, "cut");
    await host.abort(session.id);
    await host.waitIdle(session.id);
  });

  bed.test("answers with nothing at all", async () => {
    const { host, model } = bed;
    const session = await host.createSession({ title: "empty" });
    model.script("say nothing", [empty()]);
    const answer = await host.run(session.id, "say nothing");
    assert.equal(answer.finish, "stop");
    assert.equal(await host.answerText(session.id), "");
  });

  bed.test("knows which model was asked", async () => {
    const { host, model } = bed;
    const session = await host.createSession({ title: "models" });
    model.script("who are you", [text("one"), text("two")]);
    await host.run(session.id, "who are you", { model: "m1" });
    await host.run(session.id, "and now?", { model: "m2", agent: "plan" });
    assert.deepEqual(
      model.turns(session.id).map((turn) => turn.model),
      ["m1", "m2"],
    );
  });

  bed.test("records that the host went away when its run is aborted", async () => {
    const { host, model } = bed;
    const session = await host.createSession({ title: "abort" });
    model.script("never end", [[text("x"), gate("never")]]);
    const user = await host.prompt(session.id, "never end");
    const request = await model.waitForRequest((each) => each.conversation === session.id);
    await host.abort(session.id);
    assert.equal(await request.ended, "aborted");
    const answer = await host.waitAnswered(session.id, user);
    assert.equal(answer.error?.name, "MessageAbortedError");
  });

  bed.test("answers what no script covers, and says so", async () => {
    const { host, model } = bed;
    assert.deepEqual(model.unexpected.length, 0);
    const session = await host.createSession({ title: "unscripted" });
    await host.run(session.id, "there is no script for this");
    assert.equal(await host.answerText(session.id), "(no script left)");
    assert.equal(model.unexpected.length, 1);
  });

  bed.test("ends a wait that finds nothing, and shows the situation", async () => {
    const waiting = bed.host.waitFor("session.deleted", () => false, { timeoutMs: 50 });
    await assert.rejects(waiting, /session.deleted did not come within 50 ms[^]*--- server log/);
  });

  bed.test("keeps project and state over SIGKILL and a second server beside it", async () => {
    const { host, model } = bed;
    const session = await host.createSession({ title: "survives" });
    model.script("remember this", [text("I will"), text("I did")]);
    await host.run(session.id, "remember this");
    assert.equal(await host.stop("SIGKILL"), "SIGKILL");
    await host.start();
    await host.run(session.id, "do you?");
    assert.equal(await host.answerText(session.id), "I willI did");

    const second = await startHost({ model, plugins, project: host.project, state: host.state });
    try {
      assert.notEqual(second.url, host.url);
      assert.equal(await second.answerText(session.id), "I willI did");
    } finally {
      await second.dispose();
    }
    assert.ok(existsSync(host.project));
  });
});
