/** Rules on our own tools' names: what is asked, with which pattern, and what a catch-all is not meant for. */
import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import type { PermissionRule } from "../../src/host/host.js";
import { desk } from "../fakes/workspace.js";

interface Asked {
  permission: string;
  patterns: string[];
}

/** Calls a tool of an agent with these rules; gives what was asked. */
async function asked(t: TestContext, rules: PermissionRule[], tool: string, args: object) {
  const { call, host, root } = desk(t);
  const agents = host.agentList.filter(({ name }) => name !== "build");
  host.agentList = [
    ...agents,
    { name: "build", mode: "primary", hidden: false, permission: rules },
  ];
  const questions: Asked[] = [];
  const ask = (question: Asked) => {
    questions.push({ permission: question.permission, patterns: question.patterns });
    return Promise.resolve();
  };
  await call(tool, args, { ask, sessionID: root });
  return questions;
}

const rule = (permission: string, action: PermissionRule["action"] = "ask"): PermissionRule => ({
  permission,
  pattern: "*",
  action,
});

void describe("a rule on a tool's own name", () => {
  void it("is asked with the agent before a subagent exists, then as the host's task asks", async (t) => {
    const start = { description: "x", prompt: "y", agent: "General" };
    assert.deepEqual(await asked(t, [], "createBackgroundTask", start), [
      { permission: "createBackgroundTask", patterns: ["general"] },
      { permission: "task", patterns: ["general"] },
    ]);
  });

  void it("is asked with the command before a process is started", async (t) => {
    const [first] = await asked(t, [], "createBackgroundProcess", { command: "true" });
    assert.deepEqual(first, { permission: "createBackgroundProcess", patterns: ["true"] });
  });

  for (const tool of ["killProcesses", "cancelBackgroundTasks"]) {
    void it(`is asked with * by ${tool}`, async (t) => {
      const questions = await asked(t, [], tool, { status: "running" });
      assert.deepEqual(questions, [{ permission: tool, patterns: ["*"] }]);
    });
  }

  for (const tool of ["listBackgroundProcesses", "listBackgroundTasks"]) {
    void it(`is asked by ${tool} where it is named, and never by a catch-all`, async (t) => {
      const question = [{ permission: tool, patterns: ["*"] }];
      assert.deepEqual(await asked(t, [rule("*")], tool, {}), []);
      assert.deepEqual(await asked(t, [rule("**")], tool, {}), []);
      assert.deepEqual(await asked(t, [rule("bash")], tool, {}), []);
      assert.deepEqual(await asked(t, [rule(tool)], tool, {}), question);
      assert.deepEqual(await asked(t, [rule("*"), rule("listBackground*")], tool, {}), question);
    });
  }

  void it("that denies ends the call before anything is done", async (t) => {
    const { call, workspace } = desk(t);
    const ask = () => Promise.reject(new Error("The user rejected permission"));
    const start = { description: "x", prompt: "y", agent: "general" };
    await assert.rejects(call("createBackgroundTask", start, { ask }), /user rejected/u);
    assert.equal(workspace.jobs.size, 0);
  });
});
