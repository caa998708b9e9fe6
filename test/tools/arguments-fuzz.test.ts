import assert from "node:assert/strict";
import { describe, it } from "node:test";
import * as fc from "fast-check";
import { UserError } from "../../src/ports.js";
import { process as processJob, subagent } from "../notices/jobs.js";
import { rounds } from "../rounds.js";
import { desk, type Desk } from "../fakes/workspace.js";

const NAMES = [
  "createBackgroundTask",
  "getBackgroundTask",
  "listBackgroundTasks",
  "cancelBackgroundTasks",
  "createBackgroundProcess",
  "getBackgroundProcess",
  "listBackgroundProcesses",
  "killProcesses",
] as const;

const TASK = "bg_0123456789";
const PROCESS = "proc_0123456789";
/** What comes through is run by a real shell. */
const COMMANDS = ["true", "exit 3", "echo words"];

/** Right values of each argument, for this desk. */
const RIGHT: Record<string, readonly unknown[]> = {
  description: ["words"],
  prompt: ["words"],
  agent: ["general", "explore"],
  model: ["scripted/m1"],
  tags: [["a"], ["a", "b"], []],
  group: ["together"],
  after: [[TASK], []],
  taskId: [TASK],
  wait: [0, 5],
  cursor: ["0"],
  sessionId: ["ses_0001"],
  status: ["running", "completed", "failed"],
  command: COMMANDS,
  name: ["words"],
  global: [true, false],
  cwd: ["/"],
  env: [{}, { A: "1" }],
  notify: [true, false],
  notifyPattern: ["words"],
  readyPattern: ["words"],
  readyPort: [1],
  readyTimeoutSeconds: [1],
  timeoutSeconds: [60],
  stdin: ["closed", "open"],
  text: ["words"],
  keys: [["Enter"], []],
  end: [true, false],
  waitPattern: ["words"],
  waitSeconds: [0],
  processId: [PROCESS],
  restart: ["no", false],
  run: [1],
  mode: ["tail", "head", "full"],
  lines: [5],
  length: [500],
  pattern: ["words"],
  remove: [false],
  worktree: [false],
};
/** Right for another field, or nearly right. */
const odd = fc.constantFrom<unknown>(
  ...Object.values(RIGHT).flat(),
  "bg_9999999999",
  "proc_9999999999",
  "(",
  "grep",
  " ",
  "",
  65_536,
  -1,
  1.5,
  null,
  [""],
  { A: 1 },
  { "A=": "1" },
);

/** Any JSON; an object as the tool wants it, with fields left out, or something else altogether. */
function argumentsOf(fields: readonly string[]): fc.Arbitrary<unknown> {
  const left = Symbol("left out");
  const each = fields.map((name) =>
    fc
      .oneof(
        { weight: 20, arbitrary: fc.constantFrom<unknown>(...(RIGHT[name] ?? [])) },
        { weight: 4, arbitrary: fc.constant(left) },
        { weight: 1, arbitrary: odd },
        { weight: 1, arbitrary: fc.jsonValue() },
      )
      .map((value) => (value === left ? [] : [[name, value] as const])),
  );
  const known = fc.tuple(...each).map((entries) => Object.fromEntries(entries.flat()));
  const object = fc.oneof(
    { weight: 9, arbitrary: known },
    {
      weight: 1,
      arbitrary: fc
        .tuple(known, fc.dictionary(fc.string(), fc.jsonValue(), { maxKeys: 2 }))
        .map(([own, other]) => ({ ...other, ...own })),
    },
  );
  return fc
    .oneof({ weight: 9, arbitrary: object }, { weight: 1, arbitrary: fc.jsonValue() })
    .map(safe);
}

function safe(args: unknown): unknown {
  if (typeof args !== "object" || args === null || !("command" in args)) return args;
  const { command } = args;
  const runs = typeof command === "string" && command.trim() !== "" && !COMMANDS.includes(command);
  return runs ? { ...args, command: "true" } : args;
}

/** Everything that a refused call must leave as it was. */
function state({ workspace, host }: Desk): unknown {
  return {
    jobs: workspace.jobs.all().map(({ id, status, endReason }) => [id, status, endReason]),
    sessions: host.sessions.size,
    prompts: host.prompts.length,
    aborted: host.aborted.length,
  };
}

function isClear(error: unknown, fields: readonly string[], args: unknown): void {
  assert.ok(error instanceof UserError, error instanceof Error ? error.stack : String(error));
  const { message } = error;
  assert.ok(!message.includes("\n") && message.length < 700, message);
  assert.match(message, /expected /u);
  if (message.startsWith("expected at least one of ")) return;
  if (/: there is no such argument; expected /u.test(message)) {
    assert.ok(Object.keys(Object(args)).some((name) => !fields.includes(name)));
    return;
  }
  if (message.startsWith("arguments: expected an object with ")) return;
  const named = fields.find((name) => message.startsWith(`${name}: `));
  assert.ok(named !== undefined, message);
  assert.match(message, /, got \S/u);
}

void describe("whatever JSON a model writes as arguments", () => {
  for (const name of NAMES) {
    void it(`${name} answers, or refuses in one clear line and has done nothing`, async (t) => {
      const many = { maxTasksPerSession: 1_000, maxProcesses: 1_000 };
      const at = desk(t, many);
      const { workspace, call, root } = at;
      const ended = { status: "completed", endReason: "finished", parentSessionID: root } as const;
      workspace.jobs.add(subagent({ id: TASK, ...ended, rootSessionID: root }));
      workspace.jobs.add(
        processJob({ id: PROCESS, command: "true", cwd: "/", ...ended, rootSessionID: root }),
      );
      const fields = Object.keys(at.tools[name]?.args ?? {});
      let answered = 0;
      let refused = 0;
      await fc.assert(
        fc.asyncProperty(argumentsOf(fields), async (args) => {
          const before = state(at);
          try {
            const answer = await call(name, args);
            assert.ok(answer.length > 0 && Buffer.byteLength(answer) <= 8_000);
            answered += 1;
          } catch (error) {
            isClear(error, fields, args);
            assert.deepEqual(state(at), before);
            refused += 1;
          }
        }),
        { numRuns: rounds(3_000) },
      );
      t.diagnostic(`${answered} answered, ${refused} refused`);
      assert.ok(answered > 10 && refused > 10, "too few of one kind to say anything");
    });
  }
});
