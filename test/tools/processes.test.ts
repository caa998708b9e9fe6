import assert from "node:assert/strict";
import { describe, it, mock, type TestContext } from "node:test";
import type { CreateInput, CreateResult, KilledJob } from "../../src/process/types.js";
import { noneLeft } from "../../src/tools/select-jobs.js";
import { process as aProcess } from "../notices/jobs.js";
import { desk } from "../fakes/workspace.js";

const ENDED = { status: "completed", endReason: "finished" } as const;

void describe("a call about processes that is aborted", () => {
  void it("while its permission is asked: nothing is started", async (t) => {
    const { call, workspace } = desk(t);
    const abort = new AbortController();
    const ask = () => Promise.resolve(abort.abort());
    await assert.rejects(
      call("createBackgroundProcess", { command: "true" }, { abort: abort.signal, ask }),
      /the call was aborted; nothing was started/u,
    );
    assert.equal(workspace.jobs.size, 0);
  });

  for (const tool of ["killProcesses", "getBackgroundProcess"]) {
    void it(`${tool}: is not heard, and the end is still to be told`, async (t) => {
      const { call, workspace, root } = desk(t);
      const job = aProcess({ parentSessionID: root, rootSessionID: root, ...ENDED });
      workspace.jobs.add(job);
      workspace.onEvent({ type: "busy", sessionID: root });
      workspace.notices.outbox.markEnded(job);
      await call(tool, { processId: job.id }, { abort: AbortSignal.abort() });
      assert.equal(workspace.notices.outbox.pending(root).length, 1);
      await call(tool, { processId: job.id });
      assert.equal(workspace.notices.outbox.pending(root).length, 0);
    });
  }
});

void describe("getBackgroundProcess", () => {
  void it("says the end of a process also with its screen: it is told no second time", async (t) => {
    const { call, workspace, root } = desk(t);
    const place = { parentSessionID: root, rootSessionID: root };
    const job = aProcess({ ...place, ...ENDED, stdin: "terminal" });
    workspace.jobs.add(job);
    workspace.onEvent({ type: "busy", sessionID: root });
    workspace.notices.outbox.markEnded(job);
    const answer = await call("getBackgroundProcess", { processId: job.id, mode: "screen" });
    assert.match(answer, / completed .*\nscreen of /u);
    assert.deepEqual(workspace.notices.outbox.pending(root), []);
  });

  void it("waits no longer when its user writes while a question stands", async (t) => {
    const { call, workspace, host, root: sessionID } = desk(t);
    host.agentList
      .find(({ name }) => name === "build")
      ?.permission.push({ permission: "getBackgroundProcess", pattern: "*", action: "ask" });
    const place = { parentSessionID: sessionID, rootSessionID: sessionID };
    const job = aProcess({ ...place, status: "running" });
    workspace.jobs.add(job);
    const asked = mock.fn(async () => {
      await workspace.userMessage({ sessionID, messageID: host.newMessageID(), typed: true });
    });
    const request = { processId: job.id, wait: 600 };
    const answer = await call("getBackgroundProcess", request, { ask: asked });
    assert.equal(asked.mock.callCount(), 1);
    assert.match(answer, / running /u);
  });
});

const COMMAND = { command: "sleep 300" };
const SILENT = { ...COMMAND, notify: false };

/** A desk whose processes are records only. */
function quietDesk(t: TestContext, oneShot = false) {
  const made = desk(t, {}, oneShot);
  const create = ({ notify = true }: CreateInput): Promise<CreateResult> =>
    Promise.resolve({
      job: aProcess({ notify }),
      readiness: "not_asked",
      sameCommand: [],
      warnings: [],
    });
  mock.method(made.workspace.processes, "create", create);
  return made;
}

void describe("createBackgroundProcess says what follows", () => {
  for (const [who, oneShot, args, words] of [
    [
      "a session",
      false,
      COMMAND,
      /^You will be told when it ends: go on, or end your turn; do not poll\.$/mu,
    ],
    ["a session that wants silence", false, SILENT, /^You will not be told when it ends\.$/mu],
    [
      "opencode run",
      true,
      COMMAND,
      /ends with its one turn.* You will be told if it ends before/mu,
    ],
    ["opencode run in silence", true, SILENT, /ends with its one turn.* You will not be told/mu],
  ] as const) {
    void it(`to ${who}`, async (t) => {
      const answer = await quietDesk(t, oneShot).call("createBackgroundProcess", args);
      assert.match(answer, words);
      assert.doesNotMatch(answer, /the session that started you/u);
    });
  }

  void it("to a subagent: who is told of what ends after it", async (t) => {
    const { call, workspace } = quietDesk(t);
    await call("createBackgroundTask", { description: "d", prompt: "p", agent: "general" });
    const sessionID = workspace.tasks.list()[0]?.sessionID ?? "";
    const answer = await call("createBackgroundProcess", COMMAND, { sessionID });
    assert.match(answer, /What ends after you is told to the session that started you\./u);
  });
});

void describe("a command that runs already", () => {
  void it("is named if the session may see it", async (t) => {
    const { call, workspace, host, root } = desk(t);
    const at = (rootSessionID: string) => ({ parentSessionID: rootSessionID, rootSessionID });
    const stranger = at(host.addRoot());
    const created: CreateResult = {
      job: aProcess(at(root)),
      readiness: "not_asked",
      sameCommand: [
        aProcess({ id: "proc_0000000002", ...at(root) }),
        aProcess({ id: "proc_0000000003", ...stranger }),
        aProcess({ id: "proc_0000000004", global: true, ...stranger }),
      ],
      warnings: [],
    };
    mock.method(workspace.processes, "create", () => Promise.resolve(created));
    const answer = await call("createBackgroundProcess", COMMAND);
    assert.deepEqual(
      [...answer.matchAll(/^The same command already runs in this folder: (\w+)$/gmu)].map(
        ([, id]) => id,
      ),
      ["proc_0000000002", "proc_0000000004"],
    );
  });
});

void describe("killProcesses", () => {
  void it("that ends nothing tells nothing: what had ended before is still to be told", async (t) => {
    const { call, workspace, root } = desk(t);
    const at = { parentSessionID: root, rootSessionID: root };
    const job = aProcess({ ...at, tags: ["x"], ...ENDED });
    workspace.jobs.add(job);
    workspace.onEvent({ type: "busy", sessionID: root });
    workspace.notices.outbox.markEnded(job);
    assert.equal(
      await call("killProcesses", { tags: ["x"] }),
      "no process matched; nothing was ended",
    );
    assert.equal(workspace.notices.outbox.pending(root).length, 1);
    assert.match(await call("killProcesses", { tags: ["x"], status: "completed" }), /had ended/u);
    assert.deepEqual(workspace.notices.outbox.pending(root), []);
  });

  void it("of more than it names, tells those that it has ended itself", async (t) => {
    const { call, workspace, root } = desk(t);
    const at = { parentSessionID: root, rootSessionID: root, tags: ["x"], ...ENDED };
    const name = "x".repeat(60);
    const jobs = Array.from({ length: 80 }, (_, n) =>
      aProcess({ id: `proc_${String(n).padStart(10, "0")}`, name, ...at }),
    );
    for (const job of jobs) workspace.jobs.add(job);
    workspace.onEvent({ type: "busy", sessionID: root });
    const [first, earlier, last] = [jobs[0], jobs.at(-2), jobs.at(-1)];
    for (const job of [first, earlier, last]) if (job) workspace.notices.outbox.markEnded(job);
    const rest = { survivors: [], mayBeLeft: [], error: undefined, removed: false };
    const killed = jobs.map((job): KilledJob => {
      const outcome = job === last ? "killed" : "already_ended";
      return { job, outcome, ...rest };
    });
    mock.method(workspace.processes, "kill", () => Promise.resolve({ jobs: killed }));
    const answer = await call("killProcesses", { tags: ["x"], status: "completed" });
    assert.ok(!answer.includes(earlier?.id ?? ""));
    const owed = workspace.notices.outbox.pending(root).map(({ jobID }) => jobID);
    assert.deepEqual(owed, [earlier?.id]);
  });

  void it("says what could not be verified", async (t) => {
    const { call, workspace, root } = desk(t);
    const job = aProcess({ parentSessionID: root, rootSessionID: root, ...ENDED });
    workspace.jobs.add(job);
    for (const [survivors, words] of [
      [[], /→ its process group was ended; who survived could not be verified: EMFILE$/u],
      [
        [{ pid: 7, command: "x" }],
        /→ still alive: 7 x; who survived could not be verified: EMFILE$/u,
      ],
    ] as const) {
      const outcome = survivors.length > 0 ? "survivors" : "unverified";
      const rest = { mayBeLeft: [], error: "EMFILE", removed: false };
      const killed: KilledJob = { job, outcome, survivors, ...rest };
      mock.method(workspace.processes, "kill", () => Promise.resolve({ jobs: [killed] }));
      assert.match(await call("killProcesses", { processId: job.id }), words);
    }
    const mayBeLeft = [{ pid: 8, command: "daemon" }];
    const killed: KilledJob = { job, outcome: "killed", survivors: [], mayBeLeft, removed: false };
    mock.method(workspace.processes, "kill", () => Promise.resolve({ jobs: [killed] }));
    assert.match(
      await call("killProcesses", { processId: job.id }),
      /→ what is known of it was ended; may survive, hiding where it came from: 8 daemon$/u,
    );
    assert.match(noneLeft("darwin"), /no process of its group is left; .* may survive/u);
  });
});
