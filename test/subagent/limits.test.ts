import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { UserError } from "../../src/ports.js";
import type { AgentInfo, PermissionRule } from "../../src/host/host.js";
import type { LaunchInput } from "../../src/subagent/manager.js";
import { MODEL } from "../fakes/host.js";
import { House } from "../fakes/house.js";

type Input = Partial<LaunchInput> & { parentSessionID: string };

/** Refused with these words, and nothing has happened. */
async function assertRefused(house: House, input: Input, words: RegExp): Promise<void> {
  const [jobs, sessions] = [house.jobs.size, house.host.sessions.size];
  await assert.rejects(house.launch(input), (error) => {
    assert.ok(error instanceof UserError);
    assert.match(error.message, words);
    assert.ok(!error.message.includes("\n"));
    return true;
  });
  assert.equal(house.jobs.size, jobs);
  assert.equal(house.host.sessions.size, sessions);
  assert.equal(house.host.calls.get("createSession") ?? 0, house.host.prompts.length);
}

void describe("a launch is refused, with the limit, its value and its option", () => {
  for (const maxDepth of [1, 2, 3]) {
    void it(`beyond maxDepth ${maxDepth}`, async () => {
      const house = new House({ options: { maxDepth } });
      let parentSessionID = house.host.addRoot();
      for (let depth = 1; depth <= maxDepth; depth++) {
        const task = await house.launch({ parentSessionID });
        assert.equal(task.depth, depth);
        parentSessionID = task.sessionID ?? "";
      }
      const words = new RegExp(`depth ${maxDepth + 1}.*maxDepth is ${maxDepth}.*"maxDepth"`, "u");
      await assertRefused(house, { parentSessionID }, words);
    });
  }

  void it("beyond maxTasksPerSession in one tree; another tree and ended tasks do not count", async () => {
    const house = new House({ options: { maxTasksPerSession: 2, maxDepth: 2 } });
    const root = house.host.addRoot();
    const child = await house.child({ parentSessionID: root });
    const nested = await house.child({ parentSessionID: child.sessionID });
    await assertRefused(house, { parentSessionID: root }, /2 live.*maxTasksPerSession is 2/u);
    await house.launch({ parentSessionID: house.host.addRoot() });
    await house.answer(nested.sessionID, "done");
    await house.launch({ parentSessionID: root });
  });

  void it("when its session is deleted while it is looked at: nothing would be told of it", async () => {
    const house = new House();
    const [parentSessionID, other] = [house.host.addRoot(), house.host.addRoot()];
    // The host may have answered before it deletes, so that only the event tells.
    const launching = house.launch({ parentSessionID });
    house.event({ type: "deleted", sessionID: parentSessionID });
    await assert.rejects(launching, /^UserError: the session was deleted; nothing was started$/u);
    assert.equal(house.jobs.size, 0);
    assert.equal(house.host.calls.get("createSession") ?? 0, 0);
    await house.launch({ parentSessionID: other });
  });

  void it("beyond maxTasksPerSession also when many come at once", async () => {
    const house = new House({ options: { maxTasksPerSession: 3 } });
    const parentSessionID = house.host.addRoot();
    const results = await Promise.allSettled(
      Array.from({ length: 20 }, () => house.launch({ parentSessionID })),
    );
    assert.equal(results.filter(({ status }) => status === "fulfilled").length, 3);
    assert.equal(house.jobs.size, 3);
  });

  for (const agent of ["unknown", "build", "Secret", "", "generals"]) {
    void it(`of agent ${JSON.stringify(agent)}, naming those that may be subagents`, async () => {
      const house = new House();
      await assertRefused(
        house,
        { parentSessionID: house.host.addRoot(), agent },
        /^agent: expected one of explore, general, got "/u,
      );
    });
  }

  for (const model of ["nothing", "scripted/m9", "m1", "scripted/", ""]) {
    void it(`of model ${JSON.stringify(model)}, naming some`, async () => {
      const house = new House();
      await assertRefused(
        house,
        { parentSessionID: house.host.addRoot(), model },
        /^model: expected one of other\/m1, scripted\/m1, scripted\/m2, got "/u,
      );
    });
  }

  void it("of an unknown model without naming hundreds", async () => {
    const house = new House();
    house.host.modelList = Array.from({ length: 500 }, (_, number) => `many/m${number}`);
    await assertRefused(
      house,
      { parentSessionID: house.host.addRoot(), model: "x/y" },
      /… \(500 in all\), got "x\/y"$/u,
    );
  });

  void it("of a task that is to go on with nothing", async () => {
    const house = new House();
    const { id } = await house.child({ parentSessionID: house.host.addRoot() });
    await assert.rejects(house.tasks.resume(id, " ", {}), {
      name: "UserError",
      message: 'prompt: expected text, got " "',
    });
    assert.equal(house.host.prompts.length, 1);
  });

  void it("of a session that does not exist", async () => {
    const house = new House();
    await assert.rejects(house.launch({ parentSessionID: "ses_nowhere" }), {
      name: "UserError",
      message: "parentSessionID: expected a session of OpenCode, got ses_nowhere",
    });
    assert.equal(house.jobs.size, 0);
  });

  for (const method of ["agents", "session", "messages"] as const) {
    void it(`and not guessed when the host does not answer ${method}`, async () => {
      const house = new House();
      const parentSessionID = house.host.addRoot();
      house.host.fail(method);
      await assert.rejects(house.launch({ parentSessionID }), /scripted refusal/u);
      assert.equal(house.jobs.size, 0);
    });
  }
});

void describe("the model of a child", () => {
  const model = { providerID: "other", modelID: "m1" };
  const speaker = { model: { providerID: "scripted", modelID: "m2" }, variant: "high" };
  const withModel = (own: Partial<AgentInfo>): AgentInfo => ({
    name: "general",
    mode: "subagent",
    hidden: false,
    permission: [],
    ...own,
  });
  for (const [what, own, asked, expected] of [
    ["its parent's current one, with its variant", {}, undefined, ["scripted/m2", "high"]],
    ["its agent's own", { model, variant: "low" }, undefined, ["other/m1", "low"]],
    ["the one asked for", { model, variant: "low" }, "scripted/m1", ["scripted/m1", undefined]],
  ] as const) {
    void it(`is ${what}`, async () => {
      const house = new House();
      house.host.agentList = [withModel(own)];
      const parentSessionID = house.host.addRoot(speaker);
      const task = await house.launch({ parentSessionID, ...(asked && { model: asked }) });
      const [prompt] = house.host.prompts;
      assert.deepEqual(
        [`${task.model?.providerID}/${task.model?.modelID}`, task.variant],
        expected,
      );
      assert.deepEqual([prompt?.model, prompt?.variant], [task.model, task.variant]);
    });
  }

  void it("is that of the message that launches it, whose session is not read further", async () => {
    const house = new House();
    house.host.agentList = [withModel({})];
    house.host.speaks = { agent: "build", ...speaker };
    const parentSessionID = house.host.addRoot();
    const { id: parentMessageID } = house.host.addAssistant(parentSessionID);
    const task = await house.launch({ parentSessionID, parentMessageID, parentAgent: "build" });
    assert.deepEqual({ model: task.model, variant: task.variant }, speaker);
    assert.equal(house.host.calls.get("messages"), undefined);
    // One that is gone again, or is a program's own, leaves what the user chose last.
    const other = await house.launch({ parentSessionID, parentMessageID: "msg_gone" });
    assert.deepEqual(other.model, MODEL);
  });
});

const deny = (permission: string): PermissionRule => ({ permission, pattern: "*", action: "deny" });

async function rulesOf(house: House, input: Input): Promise<PermissionRule[]> {
  const { sessionID = "" } = await house.launch(input);
  return house.host.sessions.get(sessionID)?.info.permission ?? [];
}

void describe("a child's rights", () => {
  const own: PermissionRule[] = [
    { permission: "bash", pattern: "rm *", action: "deny" },
    { permission: "external_directory", pattern: "/data/*", action: "allow" },
    { permission: "external_directory", pattern: "*", action: "ask" },
    { permission: "webfetch", pattern: "*", action: "allow" },
  ];

  void it("have the parent's denials and its rules for outside folders in force, and nothing it is allowed", async () => {
    const house = new House();
    const parentSessionID = house.host.addSession({ permission: own });
    house.host.addUser(parentSessionID);
    assert.deepEqual(await rulesOf(house, { parentSessionID }), [
      ...own.slice(0, 3),
      deny("question"),
      deny("task"),
      deny("createBackgroundTask"),
    ]);
  });

  for (const [what, input] of [
    ["by the turn's agent", { parentAgent: "plan" }],
    ["by the session's latest agent", {}],
  ] as const) {
    void it(`have plan's ban of edits, known ${what}`, async () => {
      const house = new House();
      const parentSessionID = house.host.addRoot({
        agent: "parentAgent" in input ? "build" : "plan",
      });
      const rules = await rulesOf(house, { parentSessionID, ...input });
      assert.ok(rules.some(({ permission, action }) => permission === "edit" && action === "deny"));
    });
  }

  void it("leave the launchers to children above the depth limit, never the question tool", async () => {
    const house = new House({ options: { maxDepth: 2 } });
    const first = await house.child({ parentSessionID: house.host.addRoot() });
    const rules = house.host.sessions.get(first.sessionID)?.info.permission;
    assert.deepEqual(rules, [deny("question")]);
    const nested = await rulesOf(house, { parentSessionID: first.sessionID });
    assert.deepEqual(nested.slice(-2), [deny("task"), deny("createBackgroundTask")]);
  });

  for (const [agent, outcome] of [
    ["general", "failed · error"],
    ["explore", "running"],
  ] as const) {
    void it(`that the host did not take: ${agent} is ${outcome}`, async () => {
      const house = new House();
      house.host.storeRules = () => [];
      const { id, error } = await house.launch({
        parentSessionID: house.host.addRoot(),
        agent,
      });
      assert.equal(house.outcome(id), outcome);
      if (outcome === "running") return;
      assert.match(
        error ?? "",
        /limits \(question, task, createBackgroundTask\) are not in force/u,
      );
      assert.deepEqual(house.host.prompts, []);
    });
  }

  void it("that cannot be checked are not taken for granted", async () => {
    const house = new House({ options: { maxRunning: 1 } });
    const { id, next } = await house.continuedAfter(house.host.addRoot());
    house.host.fail("session", 1);
    const before = house.host.prompts.length;
    await next();
    assert.equal(house.outcome(id), "failed · error");
    assert.equal(house.host.prompts.length, before);
  });
});
