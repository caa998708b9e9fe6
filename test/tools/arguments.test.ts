import assert from "node:assert/strict";
import { describe, it } from "node:test";
import * as fc from "fast-check";
import { z } from "zod";
import { UserError } from "../../src/ports.js";
import { parseArguments } from "../../src/tools/define.js";
import { optionalInteger, tags, text } from "../../src/tools/fields.js";
import { desk } from "../fakes/workspace.js";

const REQUIRED = Symbol("required");
const long = (length: number) => "x".repeat(length);

const TEXT = [7, true, [], {}, null, "", "  \n"];
const ID = [7, true, [], {}, null, "", "  ", long(201)];
const TAGS = [7, {}, null, [7], [""], ["  "], [long(101)], Array(21).fill("a")];
const STATUS = ["done", "", 7, null, []];
const SESSION = ["", 7, null, [], long(201)];
const FLAG = ["yes", 0, null, []];
const integer = (most: number, least = 1) => [
  least - 1,
  most + 1,
  1.5,
  "1s",
  "1.5",
  "",
  null,
  true,
  NaN,
];

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
      taskId: ID,
    },
  },
  getBackgroundTask: {
    valid: { taskId: "bg_0123456789" },
    fields: {
      taskId: [REQUIRED, ...ID],
      wait: integer(600, 0),
      cursor: [...TEXT, long(201)],
    },
  },
  listBackgroundTasks: { valid: {}, fields: { sessionId: SESSION, status: STATUS, tags: TAGS } },
  cancelBackgroundTasks: {
    valid: { status: "running" },
    fields: { taskId: ID, sessionId: SESSION, status: STATUS, tags: TAGS },
  },
  createBackgroundProcess: {
    valid: { command: "true" },
    fields: {
      command: [REQUIRED, ...TEXT, long(100_001)],
      name: [...TEXT, long(201)],
      tags: TAGS,
      global: FLAG,
      cwd: [...TEXT, long(4_001)],
      env: ["A=1", 7, null, [], { "1A": "x" }, { "A-B": "x" }, { "": "x" }, { A: [] }, { A: null }],
      notify: FLAG,
      notifyPattern: [...TEXT, long(513)],
      readyPattern: [...TEXT, long(513)],
      readyPort: integer(65_535),
      readyTimeoutSeconds: integer(600),
      timeoutSeconds: integer(2_592_000),
    },
  },
  getBackgroundProcess: {
    valid: { processId: "proc_0123456789" },
    fields: {
      processId: [REQUIRED, ...ID],
      mode: ["middle", "", 7, null],
      lines: integer(2_000),
      pattern: [...TEXT, long(513)],
      cursor: [...TEXT, long(201)],
    },
  },
  listBackgroundProcesses: {
    valid: {},
    fields: { sessionId: SESSION, status: STATUS, tags: TAGS },
  },
  killProcesses: {
    valid: { status: "running" },
    fields: { processId: ID, sessionId: SESSION, status: STATUS, tags: TAGS, remove: FLAG },
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
      for (const name of ["taskid", "Command", "__proto__x", "constructor", long(5_000), "a\nb"]) {
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
      /^taskId: expected the id of a subagent of this session tree \(none here\), got "bg_9999999999", which is unknown or belongs to another session$/u,
    ],
    ["getBackgroundTask", { taskId: "proc_9999999999" }, /^taskId: expected the id of a subagent/u],
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
  void it("is accepted in another form", async (t) => {
    const { call, workspace } = desk(t);
    const given = {
      command: "exit 0",
      description: "by another name",
      workdir: "/",
      timeoutSeconds: "60",
      notify: "false",
      tags: "svc",
      env: { PORT: 3000 },
    };
    await call("createBackgroundProcess", given);
    const [job] = workspace.processes.list();
    assert.equal(job?.name, "by another name");
    assert.equal(job.cwd, "/");
    assert.equal(job.timeoutSeconds, 60);
    assert.equal(job.notify, false);
    assert.deepEqual(job.tags, ["svc"]);
    const listed = await call("listBackgroundProcesses", { status: ["completed"] });
    assert.ok(listed.startsWith(job.id), listed);
    assert.ok((await call("getBackgroundProcess", { process_id: job.id })).startsWith(job.id));
  });

  void it("an alias beside its own name is refused where their values differ", async (t) => {
    const { call, acts } = desk(t);
    const task = { description: "d", prompt: "p", agent: "general" };
    await assert.rejects(
      call("createBackgroundTask", { ...task, subagent_type: "explore" }),
      /^UserError: subagent_type: is another name of agent .*"explore" and "general"$/u,
    );
    assert.deepEqual(acts, []);
    assert.match(
      await call("createBackgroundTask", { ...task, subagent_type: "general" }),
      /^bg_/u,
    );
  });

  void it("a time of unknown unit is refused with the right name and unit", async (t) => {
    const { call, acts } = desk(t);
    await assert.rejects(
      call("createBackgroundProcess", { command: "true", timeout: 60_000 }),
      /^UserError: timeout: there is no such argument; expected timeoutSeconds, in seconds, got 60000$/u,
    );
    assert.deepEqual(acts, []);
  });
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

void it("the eight definitions, as the model receives them, stay under 4,500 characters", (t) => {
  const { tools } = desk(t);
  let total = 0;
  for (const [name, { description, args }] of Object.entries(tools)) {
    const parameters = z.toJSONSchema(z.object(args), { io: "input" });
    const { length } = JSON.stringify({ name, description, parameters });
    console.log(`${name}: ${length}`);
    total += length;
  }
  console.log(`all: ${total}`);
  assert.ok(total < 4_500, `${total} characters`);
});
