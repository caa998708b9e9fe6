/** What a notice says of each job, and how long it may be. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { chooseBlocks, composeNotice, HEADER } from "../../src/notices/wording.js";
import { process, subagent } from "./jobs.js";
import { compose, ended, notice, NOW, quotedOf } from "./blocks.js";

const IN_BRIEF = /^- (?:bg|proc)_[0-9a-z]{10} \(([\w, ]+)\): [^<]*$/u;

void describe("a notice says", () => {
  void it("that it is no message of the user, what ended, how, and how to read the rest", () => {
    const job = subagent({
      name: "Looks around",
      status: "failed",
      endReason: "error",
      error: "scripted: HTTP 401: no key",
      completedAt: new Date(NOW),
      progress: { toolCalls: 3, lastUpdate: new Date(NOW) },
      cost: 0.25,
      partial: true,
    });
    assert.equal(
      compose({ job, notices: [notice("ended")], excerpt: { text: "So\nfar", total: 6 } }),
      `${HEADER}

<background_job id="bg_0123456789" kind="subagent" status="failed" reason="error">
name: Looks around
duration: 1 min · agent: general · tool calls: 3 · cost: $0.2500
error: scripted: HTTP 401: no key
partial result:
| So
| far
to read more: getBackgroundTask({"taskId":"bg_0123456789"})
</background_job>`,
    );
  });

  void it("exit code, signal, what was ended with it and what is still alive of a process", () => {
    const job = process({
      status: "failed",
      endReason: "error",
      exitCode: 1,
      signal: "SIGTERM",
      leftovers: [{ pid: 7, command: "a <child>" }],
      survivors: [{ pid: 8, command: "b" }],
      completedAt: new Date(NOW),
    });
    const text = compose({ job, notices: [notice("ended")], excerpt: { text: "", total: 0 } });
    assert.match(
      text,
      /^duration: 1 min · exit code: 1 · signal: SIGTERM · ended with it: 7 a &lt;child> · still alive: 8$/mu,
    );
    assert.match(text, /^no output$/mu);
    assert.match(text, /getBackgroundProcess\(\{"processId":"proc_0123456789"\}\)/u);
  });

  for (const [what, excerpt, line] of [
    ["no text", { text: "", total: 0 }, "no text output"],
    [
      "a text that cannot be read",
      undefined,
      "result: could not be read now; the call below reads it",
    ],
  ] as const) {
    void it(`${what}: "${line}"`, () => {
      const lines = compose({ ...ended(""), excerpt }).split("\n");
      assert.ok(lines.includes(line));
    });
  }

  for (const [kind, line] of [
    ["blocked", /^it waits for the user .* it asks:$/mu],
    ["stalled", /^nothing is heard of it:$/mu],
    ["ready", /^it is ready now:$/mu],
    ["output", /^it asked to tell you:$/mu],
  ] as const) {
    void it(`that a job is ${kind}, with its duration until now`, () => {
      const text = compose({ job: process(), notices: [notice(kind, "words")] });
      assert.match(text, line);
      assert.match(text, /^\| words$/mu);
      assert.match(text, /^duration: 1 min/mu);
    });
  }

  void it("in which session a subagent ended that said nothing", () => {
    const job = subagent({ status: "completed", endReason: "finished", sessionID: "ses_child" });
    const text = compose({ ...ended(""), job });
    assert.match(text, /^no text output; its session: ses_child$/mu);
  });

  void it("which processes an ended subagent left running", () => {
    const text = compose({
      ...ended("done"),
      leftRunning: [process({ name: "a\nserver" }), process({ id: "proc_0000000000" })],
    });
    assert.match(
      text,
      /^still running, started by it: proc_0123456789 \(a server\), proc_0000000000 \(a job\)$/mu,
    );
  });
});

void describe("a notice is bounded", () => {
  const many = (count: number, name = "a job") =>
    Array.from({ length: count }, (_, index) => {
      const id = `bg_${String(index).padStart(10, "0")}`;
      const status = index % 100 === 99 ? ("failed" as const) : ("completed" as const);
      const reason = status === "failed" ? ("error" as const) : ("finished" as const);
      return { job: subagent({ id, name, status, endReason: reason }), notices: [notice("ended")] };
    });
  const composeMany = (news: ReturnType<typeof many>) => {
    const { full, brief } = chooseBlocks(news);
    const blocks = full.map((each) => ({ ...each, excerpt: { text: "it", total: 2 } }));
    return composeNotice(blocks, brief, NOW).split("\n");
  };

  void it("300 jobs: blocks for 30 of them, failures first, and a line for each other", () => {
    const lines = composeMany(many(300));
    const blocks = lines.filter((line) => line.startsWith("<background_job "));
    assert.equal(blocks.length, 30);
    assert.deepEqual(
      blocks.map((line) => line.includes('status="failed" reason="error"')).slice(0, 4),
      [true, true, true, false],
    );
    assert.ok(lines.includes("and 270 more, each read with the call for its id as above:"));
    assert.equal(lines.filter((line) => IN_BRIEF.test(line)).length, 270);
    assert.ok(lines.includes("- bg_0000000298 (completed, finished): a job"));
  });

  void it("3,000 jobs with long names: how many are not named, and what lists them", () => {
    const lines = composeMany(many(3_000, "a name of many words ".repeat(20)));
    assert.ok(lines.join("\n").length <= 24_000);
    const named = lines.filter((line) => IN_BRIEF.test(line)).length;
    const blocks = lines.filter((line) => line.startsWith("<background_job ")).length;
    const rest = 3_000 - blocks - named;
    assert.equal(
      lines.at(-1),
      `- and ${rest} not named here: ${rest} in listBackgroundTasks({"status":"completed"})`,
    );
  });

  void it("what one job left behind: five of it, and how many more", () => {
    const left = Array.from({ length: 100 }, (_, index) => ({ pid: index + 1, command: "x" }));
    const text = compose({
      job: process({ leftovers: left, survivors: left }),
      notices: [notice("ended")],
      leftRunning: left.map(() => process()),
    });
    assert.match(text, /ended with it: 1 x, 2 x, 3 x, 4 x, 5 x, and 95 more/u);
    assert.match(text, /still alive: 1, 2, 3, 4, 5, and 95 more/u);
    assert.match(text, /started by it: (?:proc_0123456789 \(a job\), ){5}and 95 more/u);
  });

  for (const [jobs, each] of [
    [1, 1_200],
    [2, 1_200],
    [3, 1_200],
    [4, 1_000],
    [30, 133],
  ] as const) {
    void it(`${jobs} long results: the last ${each} characters of each, and how many are left out`, () => {
      const long = Array.from({ length: 5_000 }, (_, index) => String(index % 10)).join("");
      const text = compose(...Array.from({ length: jobs }, () => ended(long, 9_000)));
      const quoted = quotedOf(text).map((line) => line.slice(2));
      assert.deepEqual(
        quoted,
        Array.from({ length: jobs }, () => long.slice(-each)),
      );
      const said = `(its end; ${9_000 - each} characters left out)`;
      assert.equal(text.split(said).length - 1, jobs);
    });
  }

  void it("all that one job has to say shares its 1,200 characters, and nothing is left out unsaid", () => {
    const texts = Array.from({ length: 40 }, (_, index) => `${index} `.repeat(300));
    const job = process({ status: "completed", endReason: "finished", completedAt: new Date(NOW) });
    const notices = [...texts.map((text) => notice("output", text)), notice("ended")];
    const text = compose({ job, notices, excerpt: { text: "x".repeat(4_000), total: 4_000 } });
    const quoted = quotedOf(text);
    const characters = quoted.reduce((sum, line) => sum + line.length - 2, 0);
    assert.ok(characters <= 1_200, `${characters} characters`);
    const all = texts.join("\n").length;
    assert.match(text, new RegExp(`tell you, 40 times \\(its end; ${all - 600} characters`, "u"));
    assert.match(text, /output \(its end; 3400 bytes left out\)/u);
  });

  void it("a name and an error have one line each, however long and however many accents", () => {
    const long = `e${"\u0301".repeat(1_000)}`.repeat(2_000);
    const text = compose({ ...ended("x"), job: subagent({ name: long, error: long }) });
    assert.ok(text.length < 16_000, `${text.length} characters`);
  });

  void it("never cuts a character in two", () => {
    const text = compose(ended("😀".repeat(1_000) + "x", 2_001));
    const [line = ""] = quotedOf(text);
    assert.ok(!/\p{Surrogate}/u.test(line));
    assert.equal(line.length - 2, 1_199);
    assert.match(text, /\(its end; 802 characters left out\)/u);
  });
});
