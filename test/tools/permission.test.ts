/** The user's rules about starting subagents, and about each of our tools by its name. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ToolContext } from "@opencode-ai/plugin";
import { goAlong } from "../fakes/clock.js";
import { TASK, launched } from "../fakes/launched.js";
import { desk, type Desk } from "../fakes/workspace.js";

type Question = Parameters<ToolContext["ask"]>[0];

/** Answers every question as `refuse` says, and keeps what was asked. */
function asking(refuse: (question: Question) => string | undefined = () => undefined) {
  const asked: Question[] = [];
  const ask = (question: Question): Promise<void> => {
    asked.push(question);
    const words = refuse(question);
    return words === undefined ? Promise.resolve() : Promise.reject(new Error(words));
  };
  // The host's type of it is an Effect in one version and a promise in another.
  return { asked, context: { ask } };
}

function rule(one: Desk, permission: string, action: "allow" | "deny" | "ask" = "ask"): void {
  const build = one.host.agentList.find(({ name }) => name === "build");
  assert.ok(build);
  build.permission.push({ permission, pattern: "*", action });
}

void describe("createBackgroundTask asks what the host's task tool asks", () => {
  void it("before anything is created, with the agent as the host spells it", async (t) => {
    const one = desk(t);
    const { asked, context } = asking(() => "the user said: use explore");
    await assert.rejects(
      one.call("createBackgroundTask", { ...TASK, agent: "General" }, context),
      /the user said: use explore/u,
    );
    assert.deepEqual(asked, [
      {
        permission: "task",
        patterns: ["general"],
        always: ["*"],
        metadata: { description: TASK.description, subagent_type: "general" },
      },
    ]);
    assert.deepEqual(one.acts, []);
    assert.equal(one.workspace.jobs.size, 0);
  });

  void it("also when a task is continued", async (t) => {
    const one = await launched(t);
    const { asked, context } = asking(() => "no");
    const more = { ...TASK, prompt: "More.", taskId: one.id };
    await assert.rejects(one.call("createBackgroundTask", more, context), /no/u);
    assert.deepEqual(
      asked.map(({ patterns }) => patterns),
      [["general"]],
    );
    assert.equal(one.host.prompts.length, 1);
  });
});

void describe("an agent that the caller may not start", () => {
  const only = (one: Desk): void => {
    const build = one.host.agentList.find(({ name }) => name === "build");
    build?.permission.push(
      { permission: "task", pattern: "*", action: "deny" },
      { permission: "task", pattern: "explore", action: "allow" },
    );
  };
  // As the host refuses what a rule denies.
  const refused = asking(({ patterns }) => (patterns[0] === "explore" ? undefined : "a rule"));

  void it("is refused with those that it may, also by a name that is none", async (t) => {
    const one = desk(t);
    only(one);
    await assert.rejects(one.call("createBackgroundTask", TASK, refused.context), {
      name: "UserError",
      message:
        'agent: expected one of explore, got "general", which the permission rules deny to build',
    });
    await assert.rejects(
      one.call("createBackgroundTask", { ...TASK, agent: "explorer" }, refused.context),
      { message: 'agent: expected one of explore, got "explorer"' },
    );
    assert.deepEqual(one.acts, []);
    const started = { ...TASK, agent: "explore" };
    assert.match(await one.call("createBackgroundTask", started, refused.context), /^bg_\w+ /u);
  });

  void it("is given nothing more either", async (t) => {
    const one = await launched(t);
    only(one);
    await assert.rejects(
      one.call("createBackgroundTask", { prompt: "More.", taskId: one.id }, refused.context),
      { message: /^agent: expected one of explore, got "general", which/u },
    );
    assert.equal(one.host.prompts.length, 1);
  });
});

void describe("a running task that was started without the limits that are in force now", () => {
  for (const [state, how] of [
    ["running", undefined],
    ["pending", {}],
    ["waiting for others", { after: [TASK.description] }],
  ] as const) {
    void it(`is given nothing more: ${state}`, async (t) => {
      const one = await launched(t, { maxRunning: 1 });
      let taskId = one.id;
      if (how) {
        const answer = await one.call("createBackgroundTask", { ...TASK, prompt: "Two.", ...how });
        taskId = /^bg_\w+/u.exec(answer)?.[0] ?? "";
      }
      const more = { prompt: "And now change all files.", taskId };
      await assert.rejects(one.call("createBackgroundTask", more, { agent: "plan" }), {
        message: /^the parent's limits \(edit\) are not in force in the child session/u,
      });
      assert.equal(one.host.prompts.length, 1);
      await one.call("createBackgroundTask", more, { agent: "build" });
    });
  }
});

void describe("a rule about a tool of ours", () => {
  for (const [tool, args, pattern] of [
    ["createBackgroundTask", TASK, "general"],
    ["createBackgroundProcess", { command: "true" }, "true"],
    ["getBackgroundTask", { taskId: "bg_0000000000" }, "*"],
    ["getBackgroundProcess", { processId: "proc_0000000000" }, "*"],
    ["listBackgroundTasks", {}, "*"],
    ["listBackgroundProcesses", {}, "*"],
    ["cancelBackgroundTasks", { status: "running" }, "*"],
    ["killProcesses", { status: "running" }, "*"],
  ] as const) {
    void it(`is asked for ${tool} ${pattern === "*" ? "as a whole" : `with ${pattern}`}`, async (t) => {
      const one = desk(t);
      rule(one, tool);
      const { asked, context } = asking(({ permission }) =>
        permission === tool ? "no" : undefined,
      );
      await assert.rejects(one.call(tool, args, context), /no/u);
      assert.deepEqual(asked.at(-1)?.patterns, [pattern]);
      assert.deepEqual(one.acts, []);
    });
  }

  void it("is asked for writeBackgroundProcess with the command that is written to", async (t) => {
    const one = desk(t);
    goAlong(t, one.clock);
    const command = "exec cat";
    await one.call("createBackgroundProcess", { command, stdin: "open" });
    const processId = one.workspace.processes.list()[0]?.id;
    rule(one, "writeBackgroundProcess");
    const { asked, context } = asking(() => "no");
    const args = { processId, text: "x" };
    await assert.rejects(one.call("writeBackgroundProcess", args, context), /no/u);
    assert.deepEqual(
      asked.map(({ permission, patterns }) => [permission, patterns]),
      [["writeBackgroundProcess", [command]]],
    );
  });

  for (const tool of ["listBackgroundTasks", "listBackgroundProcesses"]) {
    void it(`is not a rule for everything: ${tool} asks nothing by a catch-all`, async (t) => {
      const one = desk(t);
      rule(one, "*");
      const { asked, context } = asking();
      assert.equal(await one.call(tool, {}, context), "none");
      assert.deepEqual(asked, []);
      rule(one, "list*");
      await one.call(tool, {}, context);
      assert.deepEqual(
        asked.map(({ permission }) => permission),
        [tool],
      );
    });
  }
});

void describe("a hidden subagent", () => {
  void it("is started by exactly its name, and is in no list of names", async (t) => {
    const one = desk(t);
    assert.match(
      await one.call("createBackgroundTask", { ...TASK, agent: "secret" }),
      / running .* agent secret /u,
    );
    for (const agent of ["Secret", "unknown"]) {
      await assert.rejects(one.call("createBackgroundTask", { ...TASK, agent }), (error) => {
        assert.match(String(error), /expected one of explore, general, got/u);
        return true;
      });
    }
  });
});
