import assert from "node:assert/strict";
import { describe, it, mock } from "node:test";
import * as fc from "fast-check";
import { z } from "zod";
import { UserError } from "../../src/ports.js";
import type { CreateInput } from "../../src/process/types.js";
import {
  optionalFlag,
  optionalInteger,
  parseArguments,
  tags,
  text,
} from "../../src/tools/fields.js";
import { desk } from "../fakes/workspace.js";

const REQUIRED = Symbol("required");
const long = (length: number) => "x".repeat(length);

const TEXT = [7, true, [], {}, null, "", "  \n"];
const CURSOR = [-1, 1.5, true, [], {}, null, "", "  \n"];
const ID = [7, true, [], {}, null, "", "  ", long(201)];
const TAGS = ["", 7, {}, null, [7], [""], ["  "], [long(101)], Array(21).fill("a")];
const STATUS = ["ready", "", 7, null, [], ["running", "failed"], "running, failed"];
const SESSION = ["", 7, null, [], long(201)];
const FLAG = ["yes", "", 0, "0", null, []];
const integer = (most: number, least = 1) => [
  least - 1,
  most + 1,
  1.5,
  "1.5",
  "30s",
  "1e2",
  "0x1f",
  `${most + 1}`,
  "",
  null,
  true,
  NaN,
];

const AFTER = [7, {}, "", [""], [7], null, Array.from({ length: 51 }, () => "a")];
const GROUP = [...TEXT, long(101)];

/** For each argument of each tool: values that are wrong, and whether it may be left out. */
const WRONG: Record<string, { valid: object; fields: Record<string, unknown[]> }> = {
  createBackgroundTask: {
    valid: { description: "d", prompt: "p", agent: "general" },
    fields: {
      description: [REQUIRED, ...TEXT, long(201)],
      prompt: [REQUIRED, ...TEXT, long(200_001)],
      agent: [REQUIRED, ...TEXT, long(201)],
      model: [...TEXT, long(201)],
      tags: TAGS,
      group: GROUP,
      after: AFTER,
      worktree: [7, null, "", {}, long(201)],
      taskId: ID,
    },
  },
  getBackgroundTask: {
    valid: { taskId: "bg_0123456789" },
    fields: {
      taskId: ID,
      group: GROUP,
      wait: integer(600, 0),
      cursor: [...CURSOR, long(201)],
      length: integer(40_000),
    },
  },
  listBackgroundTasks: {
    valid: {},
    fields: { sessionId: SESSION, status: STATUS, tags: TAGS, group: GROUP },
  },
  cancelBackgroundTasks: {
    valid: { status: "running" },
    fields: {
      taskId: ID,
      sessionId: SESSION,
      status: STATUS,
      tags: TAGS,
      group: GROUP,
      remove: FLAG,
    },
  },
  createBackgroundProcess: {
    valid: { command: "true" },
    fields: {
      command: [REQUIRED, ...TEXT, long(100_001)],
      name: [...TEXT, long(201)],
      tags: TAGS,
      group: GROUP,
      after: AFTER,
      global: FLAG,
      cwd: [...TEXT, long(4_001)],
      env: [
        "A=1",
        "{",
        7,
        null,
        [],
        { "1A": "x" },
        { "A-B": "x" },
        { "": "x" },
        { A: {} },
        { A: null },
      ],
      stdin: ["half", "", 7, null],
      notify: FLAG,
      notifyPattern: [...TEXT, long(513)],
      readyPattern: [...TEXT, long(513)],
      readyPort: integer(65_535),
      readyTimeoutSeconds: integer(600),
      timeoutSeconds: integer(2_592_000),
      restart: ["sometimes", "", 7, null, [], {}],
      processId: ID,
    },
  },
  writeBackgroundProcess: {
    valid: { processId: "proc_0123456789", text: "x" },
    fields: {
      processId: [REQUIRED, ...ID],
      text: ["", 7, null, long(64_001)],
      keys: [7, null, [""], [7], Array.from({ length: 201 }, () => "Enter")],
      end: FLAG,
      waitPattern: [...TEXT, long(513)],
      waitSeconds: [-1, 601, 1.5, "soon", null],
    },
  },
  getBackgroundProcess: {
    valid: { processId: "proc_0123456789" },
    fields: {
      processId: [REQUIRED, ...ID],
      mode: ["middle", "", 7, null],
      lines: integer(2_000),
      pattern: [...TEXT, long(513)],
      cursor: [...CURSOR, long(201)],
      wait: integer(600, 0),
      run: integer(1_000_000),
    },
  },
  listBackgroundProcesses: {
    valid: {},
    fields: { sessionId: SESSION, status: STATUS, tags: TAGS, group: GROUP },
  },
  killProcesses: {
    valid: { status: "running" },
    fields: {
      processId: ID,
      sessionId: SESSION,
      status: STATUS,
      tags: TAGS,
      group: GROUP,
      remove: FLAG,
    },
  },
};

function isOneLine(error: unknown, start: string): true {
  assert.ok(error instanceof UserError, String(error));
  assert.ok(error.message.startsWith(start), error.message);
  assert.ok(!error.message.includes("\n"), error.message);
  assert.ok(error.message.length < 600, `${error.message.length} characters`);
  return true;
}

for (const [tool, { valid, fields }] of Object.entries(WRONG)) {
  void describe(`${tool} starts and ends nothing, and names field, expectation and what came`, () => {
    for (const [name, values] of Object.entries(fields)) {
      void it(`for a wrong ${name} (${values.length} values)`, async (t) => {
        const { call, acts, workspace } = desk(t);
        for (const value of values) {
          const args =
            value === REQUIRED
              ? Object.fromEntries(Object.entries(valid).filter(([key]) => key !== name))
              : { ...valid, [name]: value };
          await assert.rejects(call(tool, args), (error) => {
            isOneLine(error, `${name}: expected `);
            const got = value === REQUIRED ? "nothing" : JSON.stringify(value).slice(0, 100);
            assert.ok(String(error).includes(`, got ${got}`), String(error));
            return true;
          });
        }
        assert.deepEqual(acts, []);
        assert.equal(workspace.jobs.size, 0);
      });
    }

    void it("for an unknown argument", async (t) => {
      const { call, acts } = desk(t);
      for (const name of ["tsk_id", "Commands", "__proto__x", "constructor", long(5_000), "a\nb"]) {
        await assert.rejects(call(tool, { ...valid, [name]: 1 }), (error) =>
          isOneLine(error, name.slice(0, 1)),
        );
      }
      assert.deepEqual(acts, []);
    });

    void it("for arguments that are none", async (t) => {
      const { call, acts } = desk(t);
      const needs = Object.values(fields).some((values) => values.includes(REQUIRED));
      for (const args of [undefined, null, "text", 7, []]) {
        if (needs) await assert.rejects(call(tool, args), (error) => isOneLine(error, ""));
      }
      assert.deepEqual(acts, []);
    });
  });
}

void it("the table knows every argument of every tool", (t) => {
  const { tools } = desk(t);
  assert.deepEqual(Object.keys(tools).toSorted(), Object.keys(WRONG).toSorted());
  for (const [name, { args }] of Object.entries(tools)) {
    assert.deepEqual(Object.keys(args), Object.keys(WRONG[name]?.fields ?? {}), name);
  }
});

void describe("arguments that are well formed and still wrong", () => {
  for (const [tool, args, words] of [
    [
      "createBackgroundTask",
      { description: "d", prompt: "p", agent: "x" },
      /^agent: expected one of /u,
    ],
    [
      "createBackgroundTask",
      { description: "d", prompt: "p", agent: "general", model: "x/y" },
      /^model: expected one of /u,
    ],
    [
      "createBackgroundTask",
      { description: "d", prompt: "p", agent: "general", taskId: "bg_9999999999" },
      /^taskId: expected the id of a subagent of this session tree \(none here\) or its name, got "bg_9999999999", which is unknown or belongs to another session$/u,
    ],
    ["getBackgroundTask", { taskId: "proc_9999999999" }, /^taskId: expected the id of a subagent/u],
    [
      "createBackgroundTask",
      { description: "bg_0123456789", prompt: "p", agent: "general" },
      /^description: expected a name, got "bg_0123456789", which reads as an id$/u,
    ],
    [
      "createBackgroundProcess",
      { command: "true", after: ["nothing"] },
      /^after: expected ids or names of jobs of this session tree \(none here\), got "nothing"$/u,
    ],
    ["getBackgroundTask", {}, /^taskId: expected either it or group, got neither$/u],
    [
      "getBackgroundTask",
      { taskId: "bg_9999999999", group: "g" },
      /^taskId: expected either it or group, got both$/u,
    ],
    [
      "getBackgroundTask",
      { group: "g" },
      /^group: expected a group of this session \(none\), got "g"$/u,
    ],
    ["cancelBackgroundTasks", { taskId: "bg_9999999999" }, /^taskId: expected the id/u],
    ["cancelBackgroundTasks", {}, /^expected at least one of taskId, sessionId, status, tags/u],
    ["cancelBackgroundTasks", { tags: [] }, /^expected at least one of taskId/u],
    ["killProcesses", {}, /^expected at least one of processId, sessionId, status, tags/u],
    ["killProcesses", { tags: [] }, /^expected at least one of processId/u],
    ["killProcesses", { remove: true }, /^expected at least one of processId/u],
    [
      "killProcesses",
      { processId: "proc_9999999999" },
      /^processId: expected the id of a process/u,
    ],
    ["killProcesses", { processId: "proc_9999999999", status: "running" }, /^processId: expected/u],
    ["getBackgroundProcess", { processId: "bg_9999999999" }, /^processId: expected/u],
    ["createBackgroundProcess", { command: "true", notifyPattern: "(" }, /^notifyPattern: /u],
    ["createBackgroundProcess", { command: "true", readyPattern: "[z-a]" }, /^readyPattern: /u],
    ["createBackgroundProcess", { command: "true", cwd: "/no/such/folder" }, /^cwd: expected/u],
    ["createBackgroundProcess", { command: "true\0" }, /^command: expected/u],
  ] as const) {
    void it(`${tool} ${JSON.stringify(args)}`, async (t) => {
      const { call, acts, workspace } = desk(t);
      await assert.rejects(call(tool, args), (error) => {
        isOneLine(error, "");
        assert.match(error instanceof Error ? error.message : "", words);
        return true;
      });
      assert.equal(workspace.jobs.size, 0);
      assert.deepEqual(
        acts.filter((act) => act !== "launch"),
        [],
      );
    });
  }
});

void describe("what is meant plainly", () => {
  const TASK = { prompt: "p", agent: "general", description: "d" };
  void it("numbers, flags and lists are read from texts, in one place for all tools", () => {
    const fields = { count: optionalInteger(1, 3_000), flag: optionalFlag(), tags };
    for (const [written, meant] of [
      [{ count: "3000" }, { count: 3_000 }],
      [{ count: " 7 " }, { count: 7 }],
      [{ count: "7.0" }, { count: 7 }],
      [{ flag: "false" }, { flag: false }],
      [{ flag: "True" }, { flag: true }],
      [{ tags: "svc" }, { tags: ["svc"] }],
      [{ tags: '["a","b"]' }, { tags: ["a", "b"] }],
      [{ tag: "svc" }, { tags: ["svc"] }],
      [{ tags: "[svc" }, { tags: ["[svc"] }],
    ] as const) {
      assert.deepEqual(parseArguments(fields, written), meant, JSON.stringify(written));
    }
  });

  for (const [what, args] of [
    ["the host's own names", { subagent_type: "general", description: "d" }],
    ["a name for the description", { agent: "general", name: "d" }],
    ["capitals of an agent", { agent: "General", description: "d" }],
  ] as const) {
    void it(`createBackgroundTask: ${what}`, async (t) => {
      const { call, workspace } = desk(t);
      await call("createBackgroundTask", { prompt: "p", ...args });
      const [task] = workspace.tasks.list();
      assert.deepEqual([task?.agent, task?.name], ["general", "d"]);
    });
  }

  void it("createBackgroundTask: a running task by the host's task_id, without agent and description", async (t) => {
    const { call, host, workspace } = desk(t);
    await call("createBackgroundTask", TASK);
    const [task] = workspace.tasks.list();
    await call("createBackgroundTask", { task_id: task?.id, prompt: "more" });
    assert.equal(host.prompts.at(-1)?.text, "more");
    assert.equal(workspace.tasks.list().length, 1);
  });

  void it("createBackgroundProcess: names of the host's bash, numbers in env, a port as a text", async (t) => {
    const { call, workspace } = desk(t);
    const seen: CreateInput[] = [];
    const create = (input: CreateInput): Promise<never> => {
      seen.push(input);
      return Promise.reject(new UserError("seen"));
    };
    mock.method(workspace.processes, "create", create);
    const written = {
      command: "true",
      workdir: "/",
      description: "a server",
      env: { PORT: 3_000, CI: true },
      ready_port: "3000",
      notify: "false",
      tags: "svc",
    };
    await assert.rejects(call("createBackgroundProcess", written), /seen/u);
    const { cwd, name, env, readyPort, notify, tags: given } = seen[0] ?? {};
    assert.deepEqual(
      { cwd, name, env, readyPort, notify, given },
      {
        cwd: "/",
        name: "a server",
        env: { PORT: "3000", CI: "true" },
        readyPort: 3_000,
        notify: false,
        given: ["svc"],
      },
    );
  });

  void it("a status in capitals or as a list of one", async (t) => {
    const { call } = desk(t);
    for (const status of ["Running", ["running"], " running "]) {
      assert.equal(await call("listBackgroundTasks", { status }), "none");
    }
  });

  void it("a status by another word for it", async (t) => {
    const { call } = desk(t);
    await call("createBackgroundTask", TASK);
    for (const [word, most] of [
      ["active", 1],
      ["Done", 0],
    ] as const) {
      const answer = await call("listBackgroundTasks", { status: word });
      assert.equal(answer === "none" ? 0 : 1, most, word);
    }
  });

  void it("aliases are resolved before the permission is asked", async (t) => {
    const { call } = desk(t);
    const asked: unknown[] = [];
    const ask = (request: { permission: string; patterns: string[] }): Promise<void> => {
      asked.push([request.permission, request.patterns]);
      return Promise.reject(new Error("no"));
    };
    const args = { prompt: "p", subagent_type: "GENERAL", name: "d" };
    await assert.rejects(call("createBackgroundTask", args, { ask }));
    assert.deepEqual(asked, [["task", ["general"]]]);
  });

  void it("an alias beside its own name: the same value is taken, another one refused", async (t) => {
    const { call, acts, workspace } = desk(t);
    await call("createBackgroundTask", { ...TASK, subagent_type: "general" });
    assert.equal(workspace.tasks.list().length, 1);
    await assert.rejects(call("createBackgroundTask", { ...TASK, subagent_type: "explore" }), {
      message:
        'agent: agent and subagent_type are one argument, and came with two values, "general" and "explore": give agent only',
    });
    await assert.rejects(
      call("createBackgroundProcess", { workdir: "/", command: "true", cwd: "/tmp" }),
      /^UserError: cwd: workdir and cwd are one argument, .*, "\/" and "\/tmp": give cwd only$/u,
    );
    assert.deepEqual(acts, ["launch"]);
  });

  for (const [tool, args, words] of [
    ["createBackgroundProcess", { command: "true" }, /expected timeoutSeconds \(ends it after so/u],
    ["getBackgroundTask", { taskId: "bg_0123456789" }, /expected wait \(seconds\)$/u],
    ["createBackgroundTask", TASK, /expected no limit here: getBackgroundTask waits, with wait/u],
  ] as const) {
    void it(`${tool}: a time without a unit is refused, with the right name and its unit`, async (t) => {
      const { call, acts } = desk(t);
      for (const name of ["timeout", "timeoutMs", "timeout_ms"]) {
        await assert.rejects(call(tool, { ...args, [name]: 60_000 }), (error) => {
          isOneLine(error, `${name}: there is no such argument; expected `);
          assert.match(String(error), words);
          return true;
        });
      }
      assert.deepEqual(acts, []);
    });
  }
});

void describe("parsing arguments", () => {
  const fields = { name: text(10), count: optionalInteger(1, 5), tags };

  void it("never throws anything but a line for the model, whatever it is given", () => {
    const given = fc.dictionary(
      fc.oneof(fc.constantFrom("name", "count", "tags"), fc.string()),
      fc.anything(),
    );
    fc.assert(
      fc.property(fc.oneof(given, fc.anything()), (args) => {
        try {
          const parsed = parseArguments(fields, args);
          assert.ok(parsed.name.trim().length > 0);
        } catch (error) {
          isOneLine(error, "");
        }
      }),
      { numRuns: 2_000 },
    );
  });

  void it("takes what is right, and leaves out what was left out", () => {
    assert.deepEqual(parseArguments(fields, { name: "n" }), { name: "n" });
    const whole = { name: "n", count: 5, tags: ["a", "b"] };
    assert.deepEqual(parseArguments(fields, whole), whole);
  });
});

void it("all definitions, as the model receives them, stay within 6,000 characters of JSON", (t) => {
  const { tools } = desk(t);
  const received = Object.entries(tools).map(([name, { description, args }]) => {
    const parameters = z.toJSONSchema(z.object(args), { io: "input" });
    return { type: "function", function: { name, description, parameters } };
  });
  for (const each of received) console.log(`${each.function.name}: ${JSON.stringify(each).length}`);
  const { length } = JSON.stringify(received);
  console.log(`all: ${length}`);
  assert.ok(length <= 6_000, `${length} characters`);
});
