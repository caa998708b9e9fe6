/** What answers say of a job, that they stay small, and that none hides how to get the rest. */
import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import type { SubagentJob } from "../../src/jobs/job.js";
import { describeJob } from "../../src/tools/describe-job.js";
import { process as aProcess, subagent } from "../notices/jobs.js";
import { settle } from "../fakes/clock.js";
import { desk, type Desk } from "../fakes/workspace.js";

const LONG_TAGS = Array.from({ length: 20 }, (_, index) => `${index}`.padStart(100, "é"));

/** A child session with these answers and a task in it. */
function ended(one: Desk, texts: string[], more: Partial<SubagentJob> = {}): SubagentJob {
  const { host, workspace, root } = one;
  const sessionID = host.addSession({ parentID: root });
  const prompt = host.addUser(sessionID);
  for (const text of texts) host.addAssistant(sessionID, { text });
  const startedAt = new Date(one.clock.now());
  const job = subagent({
    parentSessionID: root,
    rootSessionID: root,
    sessionID,
    status: "completed",
    endReason: "finished",
    createdAt: startedAt,
    startedAt,
    completedAt: startedAt,
    runs: [{ promptMessageID: prompt.id, startedAt, status: "completed" }],
    ...more,
  });
  workspace.jobs.add(job);
  return job;
}

function nextCall(answer: string): { taskId: string; cursor: string } | undefined {
  const [, taskId = "", cursor = ""] =
    /\n… for the rest: getBackgroundTask\(\{"taskId":"(.*)","cursor":"(.*)"\}\)$/u.exec(answer) ??
    [];
  return cursor === "" ? undefined : { taskId, cursor };
}

void describe("the line of a subagent", () => {
  const now = Date.UTC(2026, 0, 1, 1);
  const before = (seconds: number) => new Date(now - seconds * 1_000);
  const job = subagent({
    name: "Looks\naround",
    startedAt: before(600),
    sessionID: "ses_1",
    progress: { toolCalls: 3, lastTool: "grep", lastUpdate: before(90) },
    tokens: { input: 1_000, output: 200, reasoning: 7, cacheRead: 9 },
    cost: 0.0421,
    tags: ["a", "b"],
  });

  void it("says state, time, calls, last activity, tokens, cost, session and tags", () => {
    assert.equal(
      describeJob(job, now),
      'bg_0123456789 running · "Looks around" · 10 min · agent general · 3 tool calls (last: grep) · last activity 1 min 30 s ago · 1,207 tokens · $0.0421 · session ses_1 · tags: a, b',
    );
  });

  void it("says the model with which its latest run went on, and those that failed", () => {
    const failed = (model: string) => ({ model, cost: 0, tokens: 0, error: "HTTP 429 · no" });
    const run = { promptMessageID: "msg_1", startedAt: before(60), status: "running" as const };
    const current = { model: "b/two", cost: 0, tokens: 0 };
    const models = [failed("a/one"), failed("a/\nx"), current];
    const runs = [run, { ...run, models }];
    assert.match(
      describeJob({ ...job, runs }, now),
      / · \$0\.0421 · model b\/two, after a\/one and a\/ x failed · run 2 · /u,
    );
    assert.doesNotMatch(describeJob({ ...job, runs: runs.toReversed() }, now), /failed/u);
  });

  void it("says that a model has no price", () => {
    assert.match(describeJob({ ...job, cost: 0 }, now), / · 1,207 tokens · no price · /u);
  });

  void it("says which tool runs", () => {
    const progress = { ...job.progress, runningTool: "bash" };
    assert.match(describeJob({ ...job, progress }, now), / · 3 tool calls \(running: bash\) · /u);
  });

  void it("says what it waits for", () => {
    const blockedOn = {
      kind: "permission",
      what: "bash: rm x",
      since: before(5),
      sessionID: "ses_1",
    } as const;
    assert.match(
      describeJob({ ...job, blockedOn }, now),
      / · waits for permission: bash: rm x · /u,
    );
    const retry = { ...blockedOn, kind: "retry", what: "overloaded", attempt: 3 } as const;
    const nextAt = before(-20);
    assert.match(
      describeJob({ ...job, blockedOn: { ...retry, nextAt } }, now),
      / · retries the provider \(attempt 3, next in 20 s\): overloaded · /u,
    );
    assert.match(
      describeJob({ ...job, stalledSince: before(700) }, now),
      / · stalled: nothing heard for 11 min 40 s · /u,
    );
  });

  void it("says how it ended, and for how long its latest run went on", () => {
    const line = describeJob(
      {
        ...job,
        status: "failed",
        endReason: "error",
        error: "scripted: HTTP 401: no",
        completedAt: before(60),
      },
      now,
    );
    assert.match(line, /^bg_0123456789 failed · "Looks around" · 9 min · /u);
    assert.match(line, / · error: scripted: HTTP 401: no$/u);
  });
});

void describe("a process that left very many others", () => {
  void it("names some of them and says how many more: its output needs the room", () => {
    const left = Array.from({ length: 1_500 }, (_, i) => ({ pid: 100_000 + i, command: "sleep" }));
    const line = describeJob({ ...aProcess(), leftovers: left, survivors: left }, Date.now());
    assert.match(line, / · ended with it: 100000, 100001, .*, 100049, and 1450 more · /u);
    assert.ok(Buffer.byteLength(line) < 1_500);
  });
});

void describe("an answer of many bytes", () => {
  void it("of a subagent's text holds what the host shows, however many bytes its characters have", async (t) => {
    const one = desk(t);
    const text = Array.from({ length: 9_000 }, (_, index) => `line ${index} €€€€€€€€€€`).join("\n");
    const { id } = ended(one, [text], { tags: LONG_TAGS, name: "ü".repeat(200) });
    let read = "";
    let args: object | undefined = { taskId: id, length: 40_000 };
    while (args) {
      const answer: string = await one.call("getBackgroundTask", args);
      assert.ok(Buffer.byteLength(answer) <= 48_000);
      assert.ok(answer.split("\n").length <= 1_980);
      const quoted = answer.split("\n").filter((line) => line.startsWith("| "));
      if (quoted.length > 0 && read !== "") read += "\n";
      read += quoted.map((line) => line.slice(2)).join("\n");
      args = nextCall(answer);
      if (args) {
        assert.match(answer, /^\[\d+ of the 40000 characters asked for fit into one answer\]$/mu);
        args = { ...args, length: 40_000 };
      }
    }
    assert.equal(read, text);
  });

  for (const [kind, tool, list, made] of [
    ["subagents", "cancelBackgroundTasks", "listBackgroundTasks", subagent],
    ["processes", "killProcesses", "listBackgroundProcesses", aProcess],
  ] as const) {
    void it(`about many ${kind} that were ended says how many more there are, and where`, async (t) => {
      const { call, workspace, root } = desk(t);
      const session = { parentSessionID: root, rootSessionID: root, tags: ["many"] };
      for (let number = 0; number < 120; number++) {
        const id = `${kind}_${String(number).padStart(3, "0")}`;
        workspace.jobs.add(
          made({
            id,
            name: "x".repeat(60),
            status: "completed",
            endReason: "finished",
            ...session,
          }),
        );
      }
      const answer = await call(tool, { tags: ["many"], status: "completed" });
      assert.ok(Buffer.byteLength(answer) <= 8_000);
      const lines = answer.split("\n");
      const [, more] =
        new RegExp(`^and (\\d+) more: ${list} tells$`, "u").exec(lines.at(-1) ?? "") ?? [];
      assert.equal(lines.length - 1 + Number(more), 120);
    });
  }
});

void describe("a cursor into the text of a running task", () => {
  void it("is no cursor into its result, which is shown from its start, with a word", async (t: TestContext) => {
    const one = desk(t);
    const { id, sessionID = "" } = ended(one, ["x".repeat(20_000)], {
      status: "running",
      endReason: undefined,
      completedAt: undefined,
    });
    const next = nextCall(await one.call("getBackgroundTask", { taskId: id }));
    assert.ok(next);
    const rest = await one.call("getBackgroundTask", next);
    assert.match(rest, /text so far, characters 16000 to 20000 of 20000:/u);
    assert.match(rest, /\n\(what comes after this: cursor "20000@\w+_so_far"\)$/u);
    one.host.addAssistant(sessionID, {
      text: "y".repeat(9_000),
      parentID: one.workspace.jobs.getSubagent(id)?.runs[0]?.promptMessageID ?? "",
    });
    one.workspace.jobs.end(id, { status: "completed", reason: "finished", at: new Date() });
    await settle();
    assert.match(
      await one.call("getBackgroundTask", next),
      /\n\(the cursor was of an earlier text; this is from the start\)\nresult:\n\| y{9000}$/u,
    );
  });
});

void describe("what was read of running tasks", () => {
  void it("is remembered of the latest 200 reads, and no more", async (t) => {
    const { call, workspace, root } = desk(t);
    const ids = Array.from(
      { length: 201 },
      (_, number) => `bg_${String(number).padStart(10, "0")}`,
    );
    for (const id of ids) {
      workspace.jobs.add(subagent({ id, parentSessionID: root, rootSessionID: root }));
      await call("getBackgroundTask", { taskId: id });
    }
    const again = (taskId: string | undefined) => call("getBackgroundTask", { taskId });
    assert.match(await again(ids.at(-1)), /unchanged since your last look/u);
    assert.match(
      await again(ids[0]),
      /\(no text yet\)\n\(what comes after this: cursor "0@none_so_far"\)$/u,
    );
  });
});
