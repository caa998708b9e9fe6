import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SessionTree } from "../../src/host/session-tree.js";
import { latestRealUserMessage } from "../../src/host/latest-user.js";
import { FakeClock } from "../fakes/clock.js";
import { FakeHost } from "../fakes/host.js";

function family() {
  const host = new FakeHost(new FakeClock());
  const root = host.addSession();
  const child = host.addSession({ parentID: root });
  const grandchild = host.addSession({ parentID: child });
  return { host, tree: new SessionTree(host), root, child, grandchild };
}

void describe("the line of a session", () => {
  void it("leads to its root, asking the host once for each", async () => {
    const { host, tree, root, child, grandchild } = family();
    for (let time = 0; time < 3; time++) {
      assert.deepEqual(await tree.line(grandchild), [grandchild, child, root]);
    }
    assert.equal(await tree.root(grandchild), root);
    assert.equal(await tree.root(root), root);
    assert.equal(host.calls.get("session"), 3);
    assert.deepEqual(tree.knownLine(grandchild), [grandchild, child, root]);
  });

  void it("known from events needs no host", async () => {
    const { host, tree, root, child } = family();
    tree.learn(root, undefined);
    tree.learn(child, root);
    assert.deepEqual(await tree.line(child), [child, root]);
    assert.equal(host.calls.get("session"), undefined);
  });

  void it("as far as known is what there is of it", () => {
    const { tree, root, child, grandchild } = family();
    assert.deepEqual(tree.knownLine(grandchild), [grandchild]);
    tree.learn(grandchild, child);
    assert.deepEqual(tree.knownLine(grandchild), [grandchild, child]);
    tree.learn(child, root);
    tree.forget(child);
    assert.deepEqual(tree.knownLine(grandchild), [grandchild, child]);
  });

  void it("that cannot be read is an error, never a root", async () => {
    const { host, tree, grandchild } = family();
    host.fail("session", 1);
    await assert.rejects(tree.root(grandchild), /scripted refusal/u);
    await assert.rejects(tree.root("ses_unknown"), /does not exist/u);
  });

  void it("that is a loop is an error", async () => {
    const { tree } = family();
    tree.learn("a", "b");
    tree.learn("b", "a");
    await assert.rejects(tree.line("a"), /too many parents/u);
    assert.ok(tree.knownLine("a").length < 100);
  });
});

void describe("the latest message of a person", () => {
  void it("is found behind any number of messages that no person typed", async () => {
    const { host, root } = family();
    const typed = host.addUser(root, { agent: "plan" });
    for (let count = 0; count < 120; count++) host.addUser(root, { real: false });
    assert.equal((await latestRealUserMessage(host, root))?.id, typed.id);
    host.addAssistant(root);
    const newer = host.addUser(root);
    assert.equal((await latestRealUserMessage(host, root))?.id, newer.id);
  });

  void it("is the host's own when they let the agent leave its plan", async () => {
    const { host, root } = family();
    const typed = host.addUser(root, { agent: "plan" });
    const leave = (status: "completed" | "error") => {
      host.addAssistant(root, { tools: [{ callID: "c1", tool: "plan_exit", status }] });
      return host.addUser(root, { real: false, agent: "build" });
    };
    leave("error");
    assert.equal((await latestRealUserMessage(host, root))?.id, typed.id);
    const left = leave("completed");
    host.addAssistant(root);
    host.addUser(root, { real: false, agent: "plan" });
    assert.equal((await latestRealUserMessage(host, root))?.id, left.id);
  });

  void it("is found behind messages of a shape that we do not know", async () => {
    const { host, root } = family();
    const typed = host.addUser(root);
    const messages = host.messages.bind(host);
    for (let count = 0; count < 60; count++) host.addAssistant(root);
    // As the port does with one that it cannot read.
    host.messages = async (...which) => (await messages(...which)).slice(0, -1);
    assert.equal((await latestRealUserMessage(host, root))?.id, typed.id);
  });

  void it("is none in a session where no person typed", async () => {
    const { host, root } = family();
    for (let count = 0; count < 120; count++) host.addUser(root, { real: false });
    assert.equal(await latestRealUserMessage(host, root), undefined);
  });
});
