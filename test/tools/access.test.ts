import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { UserError } from "../../src/ports.js";
import { process, subagent } from "../notices/jobs.js";
import { desk } from "../fakes/workspace.js";

/** A session tree of two, another tree, and jobs in both. */
function two(t: TestContext) {
  const one = desk(t);
  const { host, workspace, root } = one;
  const child = host.addSession({ parentID: root });
  const stranger = host.addRoot();
  const shared = { parentSessionID: root, rootSessionID: root };
  const foreign = { parentSessionID: stranger, rootSessionID: stranger };
  const ended = { status: "completed", endReason: "finished" } as const;
  for (const job of [
    subagent({ id: "bg_0000000001", name: "mine", sessionID: child, ...shared, ...ended }),
    subagent({ id: "bg_0000000002", name: "theirs", ...foreign }),
    process({ id: "proc_0000000003", name: "mine", ...shared, ...ended }),
    process({ id: "proc_0000000004", name: "theirs", ...foreign, ...ended }),
    process({ id: "proc_0000000005", name: "global", global: true, ...foreign, ...ended }),
  ]) {
    workspace.jobs.add(job);
  }
  return { ...one, child, stranger };
}

void describe("what a session may see", () => {
  for (const [tool, ids] of [
    ["listBackgroundTasks", ["bg_0000000001"]],
    ["listBackgroundProcesses", ["proc_0000000003", "proc_0000000005"]],
  ] as const) {
    void it(`${tool}: the jobs of its tree and global ones, from anywhere in the tree`, async (t) => {
      const { call, root, child, stranger } = two(t);
      for (const sessionID of [root, child]) {
        const text = await call(tool, {}, { sessionID });
        assert.deepEqual(
          [...text.matchAll(/^(?:bg|proc)_\w+/gmu)].map(([id]) => id).toSorted(),
          ids,
        );
      }
      const other = await call(tool, {}, { sessionID: stranger });
      assert.ok(!other.includes('"mine"'));
    });
  }

  for (const [tool, args] of [
    ["getBackgroundTask", { taskId: "bg_0000000002" }],
    ["cancelBackgroundTasks", { taskId: "bg_0000000002" }],
    [
      "createBackgroundTask",
      { description: "d", prompt: "p", agent: "general", taskId: "bg_0000000002" },
    ],
    ["getBackgroundProcess", { processId: "proc_0000000004" }],
    ["killProcesses", { processId: "proc_0000000004" }],
  ] as const) {
    void it(`${tool}: a job of another tree is unknown, in the same words as one that never was`, async (t) => {
      const { call, workspace } = two(t);
      const words = async (given: object): Promise<string> => {
        try {
          return await call(tool, given);
        } catch (error) {
          assert.ok(error instanceof UserError);
          return error.message;
        }
      };
      const known = await words(args);
      const [field = ""] = Object.keys(args).filter((name) => name.endsWith("Id"));
      const id = String(Reflect.get(args, field));
      const never = await words({ ...args, [field]: `${id.slice(0, -1)}9` });
      assert.equal(known.replace(id, "ID"), never.replace(`${id.slice(0, -1)}9`, "ID"));
      assert.ok(!known.includes("theirs"));
      assert.equal(workspace.jobs.get(id)?.name, "theirs");
    });
  }

  void it("a job is found by its name in place of an id, whatever the case", async (t) => {
    const { call, workspace, root } = two(t);
    assert.match(await call("getBackgroundTask", { taskId: "Mine" }), /^bg_0000000001 /u);
    assert.match(await call("getBackgroundProcess", { processId: "mine" }), /^proc_0000000003 /u);
    assert.match(await call("killProcesses", { processId: "global" }), /^proc_0000000005 /u);
    const shared = { name: "Mine", parentSessionID: root, rootSessionID: root };
    const ended = { status: "failed", endReason: "error" } as const;
    workspace.jobs.add(process({ id: "proc_0000000006", ...shared, ...ended }));
    await assert.rejects(call("getBackgroundProcess", { processId: "mine" }), {
      message:
        'processId: expected one id, got "mine", the name of several: proc_0000000003, proc_0000000006',
    });
    workspace.jobs.add(process({ id: "proc_0000000007", ...shared }));
    assert.match(await call("getBackgroundProcess", { processId: "mine" }), /^proc_0000000007 /u);
    await assert.rejects(call("getBackgroundTask", { taskId: "theirs" }), /another session$/u);
  });

  void it("a filter takes the session that a subagent works in as well as the one that started it", async (t) => {
    const { call, workspace, root, child } = two(t);
    const below = { parentSessionID: child, rootSessionID: root };
    workspace.jobs.add(subagent({ id: "bg_0000000008", sessionID: "ses_below", ...below }));
    const listed = async (sessionId: string) =>
      (await call("listBackgroundTasks", { sessionId })).match(/^bg_\w+/gmu)?.toSorted();
    assert.deepEqual(await listed(root), ["bg_0000000001"]);
    assert.deepEqual(await listed(child), ["bg_0000000001", "bg_0000000008"]);
    assert.deepEqual(await listed("ses_below"), ["bg_0000000008"]);
  });

  for (const [tool, args] of [
    ["cancelBackgroundTasks", { status: "running" }],
    ["killProcesses", { status: "running" }],
  ] as const) {
    void it(`${tool} by filter leaves the jobs of another tree alone`, async (t) => {
      const { call, workspace, acts } = two(t);
      assert.match(await call(tool, args), /^no (?:task|process) matched; nothing was/u);
      assert.equal(workspace.jobs.get("bg_0000000002")?.status, "running");
      assert.ok(!acts.includes("cancel"));
    });
  }

  void it("a child's session id stands for its task", async (t) => {
    const { call, child } = two(t);
    assert.match(await call("getBackgroundTask", { taskId: child }), /^bg_0000000001 completed/u);
  });

  void it("a subagent cannot cancel itself or those above it", async (t) => {
    const { call, child, acts } = two(t);
    await assert.rejects(
      call("cancelBackgroundTasks", { taskId: "bg_0000000001" }, { sessionID: child }),
      /is this session or one above it/u,
    );
    assert.deepEqual(acts, []);
  });
});

void describe("a read by a job's name", () => {
  void it("does not read the history of the session, as one by an unknown id does", async (t) => {
    const { call, host } = two(t);
    await call("getBackgroundProcess", { processId: "mine" });
    assert.equal(host.calls.get("messages") ?? 0, 0);
    await assert.rejects(call("getBackgroundProcess", { processId: "proc_0000000009" }), UserError);
    assert.equal(host.calls.get("messages"), 1);
  });
});

void describe("a fork of a session", () => {
  /** Its copied history holds the calls that created the jobs of the session it was forked from. */
  function forked(t: TestContext) {
    const one = two(t);
    const fork = one.host.addRoot();
    for (const [tool, created] of [
      ["createBackgroundTask", "bg_0000000001"],
      ["createBackgroundProcess", "proc_0000000003"],
    ] as const) {
      const call = { callID: created, tool, status: "completed", created } as const;
      one.host.addAssistant(fork, { tools: [call], text: "bg_0000000002 proc_0000000004" });
    }
    return { ...one, fork };
  }

  for (const [tool, field, own, foreign] of [
    ["getBackgroundTask", "taskId", "bg_0000000001", "bg_0000000002"],
    ["getBackgroundProcess", "processId", "proc_0000000003", "proc_0000000004"],
  ] as const) {
    void it(`${tool} reads what a create call of its own history made, and no id of a text`, async (t) => {
      const { call, fork } = forked(t);
      const sessionID = fork;
      assert.match(
        await call(tool, { [field]: own }, { sessionID }),
        new RegExp(`^${own} completed`, "u"),
      );
      await assert.rejects(
        call(tool, { [field]: foreign }, { sessionID }),
        /which is unknown or belongs to another session$/u,
      );
    });
  }

  void it("ends and continues nothing of the session it was forked from", async (t) => {
    const { call, fork, acts } = forked(t);
    const more = { description: "d", prompt: "p", agent: "general" };
    for (const [tool, args] of [
      ["killProcesses", { processId: "proc_0000000003" }],
      ["cancelBackgroundTasks", { taskId: "bg_0000000001" }],
      ["createBackgroundTask", { ...more, taskId: "bg_0000000001" }],
    ] as const) {
      await assert.rejects(call(tool, args, { sessionID: fork }), /belongs to another session$/u);
    }
    assert.deepEqual(acts, []);
  });
});
