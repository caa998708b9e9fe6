/** What `bash` asks before it runs anything: the questions of any command, for each known attack and ordinary command. */
import assert from "node:assert/strict";
import { describe, it, mock, type TestContext } from "node:test";
import type { ToolContext } from "@opencode-ai/plugin";
import { agents } from "../../fixtures/commands/corpora.js";
import type { AgentInfo } from "../../src/host/host.js";
import { bash } from "../../src/tools/bash.js";
import { desk } from "../fakes/workspace.js";
import { READABLE } from "../permission/attacks.js";
import { UNREADABLE } from "../permission/hidden-attacks.js";
import { bashRules, hostAsk, type Asking } from "../permission/host-rules.js";

const ALL_BUT_RM = [
  { permission: "external_directory", pattern: "*", action: "allow" } as const,
  ...bashRules({ "*": "allow", "rm *": "deny" }),
];

/** Calls both tools; nothing is ever started. */
function askingDesk(t: TestContext, rules: AgentInfo["permission"]) {
  const { workspace, host, root, call } = desk(t);
  const agent = { name: "build", mode: "primary", hidden: false, permission: rules } as const;
  host.agentList = [agent, { ...agent, name: "plan" }];
  const started: string[] = [];
  mock.method(workspace.processes, "startForeground", ({ command }: { command: string }) => {
    started.push(command);
    return Promise.reject(new Error("started"));
  });
  mock.method(workspace.processes, "create", () => Promise.reject(new Error("started")));
  const tool = bash(async () => workspace, workspace.options);
  const context = (ask: ToolContext["ask"], name: string): ToolContext => ({
    sessionID: root,
    messageID: host.newMessageID(),
    agent: name,
    directory: workspace.directory,
    worktree: workspace.directory,
    abort: new AbortController().signal,
    metadata: () => undefined,
    ask,
  });
  const questions = async (
    run: (ask: ToolContext["ask"]) => Promise<unknown>,
    answer: (asked: Asking) => Promise<void>,
  ): Promise<{ asked: Asking[]; said: string }> => {
    const asked: Asking[] = [];
    const ask = async (question: Asking) => {
      asked.push(question);
      await answer(question);
    };
    const said = await run(ask).then(
      () => "answered",
      (thrown: unknown) => String(thrown),
    );
    return { asked, said };
  };
  const yes = () => Promise.resolve();
  return {
    started,
    ofBash: (command: string, answer: (asked: Asking) => Promise<void> = yes, name = "build") =>
      questions((ask) => tool.execute({ command }, context(ask, name)), answer),
    ofProcess: (command: string, answer: (asked: Asking) => Promise<void> = yes, name = "build") =>
      questions(
        (ask) => call("createBackgroundProcess", { command }, { ask, agent: name }),
        answer,
      ),
  };
}

void describe("before bash runs anything", () => {
  void it("each attack and each ordinary command asks what it asks as a background process", async (t) => {
    const { ofBash, ofProcess } = askingDesk(t, bashRules({ "*": "ask" }));
    const commands = [...READABLE, ...UNREADABLE, ...agents()];
    for (const command of commands) {
      const [own, other] = [await ofBash(command), await ofProcess(command)];
      assert.deepEqual(own.asked, other.asked, command);
      const isRefused = own.said !== "Error: started";
      assert.ok(own.asked.some(({ permission }) => permission === "bash") || isRefused, command);
    }
    console.log(`${commands.length} commands`);
  });

  for (const agent of ["build", "plan"]) {
    void it(`no attack passes where only rm is denied, for ${agent}`, async (t) => {
      const { ofBash, started } = askingDesk(t, ALL_BUT_RM);
      for (const command of [...READABLE, ...UNREADABLE]) {
        const { said } = await ofBash(command, hostAsk(ALL_BUT_RM), agent);
        assert.notEqual(said, "answered", command);
      }
      assert.deepEqual(started, []);
    });
  }
});
