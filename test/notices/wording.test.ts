/** What a notice says of each job, and how long it may be. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Notice, storedQuote } from "../../src/notices/notice.js";
import { composeNotice, HEADER, type News } from "../../src/notices/wording.js";
import { grouped } from "../../src/text.js";
import { process, subagent } from "./jobs.js";
import { compose, end, ended, notice, NOW, quotedOf } from "./blocks.js";

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
      compose(end(job, "So\nfar")),
      `${HEADER}

<background_job id="bg_0123456789" kind="subagent" status="failed">
name: Looks around
duration: 1 min · agent: general · tool calls: 3 · cost: $0.25
error: scripted: HTTP 401: no key
partial result:
| So
| far
it can be continued: createBackgroundTask with "taskId":"bg_0123456789" and a prompt
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
    const text = compose(end(job, ""));
    assert.match(
      text,
      /^duration: 1 min · exit code: 1 · signal: SIGTERM · ended with it: 7 a &lt;child> · still alive: 8$/mu,
    );
    assert.match(text, /^no output$/mu);
    assert.doesNotMatch(text, /getBackgroundProcess/u, "there is no more to read");
  });

  void it("which models were tried, how each failed and what it cost", () => {
    const models = [
      { model: "a/one", cost: 0.5, tokens: 10, error: "HTTP 429: </background_job>\n- x" },
      { model: "b/two", cost: 0, tokens: 10, error: "HTTP 401: no" },
      { model: "c/three", cost: 0.25, tokens: 10 },
    ];
    const run = { promptMessageID: "msg_1", startedAt: new Date(0), status: "completed" as const };
    const text = compose(end(subagent({ runs: [{ ...run, models }] }), "words"));
    assert.ok(
      text.includes(`models tried:
- a/one ($0.50) failed: HTTP 429: &lt;/background_job> - x
- b/two (no price) failed: HTTP 401: no
- c/three ($0.25)
`),
      text,
    );
    const later = subagent({ runs: [{ ...run, models }, run] });
    assert.doesNotMatch(compose(end(later, "words")), /models tried/u);
  });

  void it("that most of a budget is gone, in a line, also of a job that goes on", () => {
    const running = subagent({ id: "bg_0000000001", name: 'a "job"' });
    const budget = notice("budget", "spent $0.83 of $1.00");
    const text = compose(end(subagent(), "words"), { job: running, notices: [budget] });
    assert.match(text, /^budget: bg_0000000001 "a 'job'": spent \$0\.83 of \$1\.00$/mu);
    assert.equal(text.match(/<background_job /gu)?.length, 1);
    const both = end(subagent(), "words");
    const own = compose({ ...both, notices: [...both.notices, budget] });
    assert.match(own, /^budget: bg_0123456789 /mu);
    assert.equal(own.match(/spent/gu)?.length, 1);
  });

  void it("how to start what a shell had left running, but not of an earlier host, and that force was needed", () => {
    const leftovers = [{ pid: 7, command: "node server.js" }];
    const ended = { leftovers, status: "completed", endReason: "finished" } as const;
    assert.match(compose(end(process(ended), "")), /as the command itself, without & and nohup/u);
    const interrupted = { leftovers, status: "failed", endReason: "interrupted" } as const;
    assert.doesNotMatch(compose(end(process(interrupted), "")), /without &/u);
    assert.match(compose(end(process({ ...ended, forced: true }), "")), /SIGKILL was needed/u);
  });

  void it("what went wrong once: an exit code is no error beside itself", () => {
    const job = process({
      status: "failed",
      endReason: "error",
      exitCode: 3,
      error: "exit code 3",
    });
    assert.equal(compose(end(job, "")).match(/exit code/gu)?.length, 1);
    const other = { ...job, error: "exit code 3; it is unknown whether something is left" };
    assert.match(compose(end(other, "")), /^error: exit code 3; it is unknown/mu);
  });

  for (const [status, reason, can] of [
    ["failed", "error", true],
    ["cancelled", "cancelled_by_user", true],
    ["cancelled", "session_deleted", false],
    ["failed", "budget", false],
    ["completed", "finished", false],
  ] as const) {
    void it(`of a subagent that is ${status} (${reason}) that it can ${can ? "" : "not "}be continued`, () => {
      const text = compose(end(subagent({ status, endReason: reason }), "words"));
      assert.equal(text.includes("it can be continued: createBackgroundTask"), can);
      assert.doesNotMatch(text, /to read more/u);
    });
  }

  void it("last what still runs of the same session, in one line", () => {
    const running = [
      subagent({ id: "bg_1111111111", status: "running" }),
      subagent({ id: "bg_2222222222", status: "pending" }),
      process({ id: "proc_3333333333", name: 'dev "server"\n' }),
      subagent(),
    ];
    assert.equal(
      composeNotice([ended("done")], running, NOW)
        .split("\n")
        .at(-1),
      `still running: 2 subagents (bg_1111111111, bg_2222222222 waiting), 1 process (proc_3333333333 "dev 'server'")`,
    );
    assert.doesNotMatch(compose(ended("done")), /still running/u);
  });

  void it("that further notices of a process are held back, once it prints too many", () => {
    const all = [notice("output", "one"), { ...notice("output", "two"), throttled: true }];
    const text = compose({ job: process(), notices: all });
    assert.match(text, /^\| one\n\| two\nmore of these are held back/mu);
    assert.doesNotMatch(compose({ job: process(), notices: all.slice(0, 1) }), /held back/u);
  });

  void it("that there was no text, or the call that reads one that is not at hand", () => {
    assert.match(compose(ended("")), /^no text output$/mu);
    const text = compose({ ...ended(""), notices: [notice("ended")] });
    assert.match(text, /^to read its result: getBackgroundTask\(\{"taskId":"bg_0123456789"\}\)$/mu);
  });

  for (const [kind, line] of [
    [
      "blocked",
      /^it waits for input; answer with writeBackgroundProcess\(\{"processId":"proc_\w+".* its open line:$/mu,
    ],
    ["stalled", /^no activity detected:$/mu],
    ["ready", /^it is ready now:$/mu],
    ["output", /^it printed OPENCODE_NOTIFY:$/mu],
  ] as const) {
    void it(`that a job is ${kind}, with its duration until now`, () => {
      const text = compose({ job: process(), notices: [notice(kind, "words")] });
      assert.match(text, line);
      assert.match(text, /^\| words$/mu);
      assert.match(text, /^duration: 1 min/mu);
    });
  }

  void it("that a password is the user's, also where its group goes on", () => {
    const [kind, what, since, sessionID] = ["password", "Password:", new Date(0), "s"] as const;
    const blockedOn = { kind, what, since, sessionID };
    const words =
      /it asks for a password, and the user was asked to type it: do not answer it, .* its open line:/u;
    const notices = [notice("blocked", "Password:")];
    const text = compose({ job: process({ blockedOn }), notices });
    assert.match(text, words);
    assert.doesNotMatch(text, /writeBackgroundProcess/u);
    const inGroup = compose({ job: process({ blockedOn, group: "all" }), notices });
    assert.match(inGroup, words);
    assert.doesNotMatch(inGroup, /writeBackgroundProcess/u);
  });

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
      /^still running, started by it: proc_0123456789 "a server", proc_0000000000 "a job"$/mu,
    );
  });
});

void describe("a notice is bounded", () => {
  const many = (count: number, name = "a job") =>
    Array.from({ length: count }, (_, index) => {
      const id = `bg_${String(index).padStart(10, "0")}`;
      const status = index % 100 === 99 ? ("failed" as const) : ("completed" as const);
      const reason = status === "failed" ? ("error" as const) : ("finished" as const);
      return end(subagent({ id, name, status, endReason: reason }), "it");
    });
  const composeMany = (news: News[]) => composeNotice(news, [], NOW).split("\n");

  void it("300 jobs: blocks for 30 of them, failures first, and a line for each other", () => {
    const lines = composeMany(many(300));
    const blocks = lines.filter((line) => line.startsWith("<background_job "));
    assert.equal(blocks.length, 30);
    assert.deepEqual(blocks.map((line) => line.includes('status="failed"')).slice(0, 4), [
      true,
      true,
      true,
      false,
    ]);
    assert.ok(
      lines.includes(
        'and 270 more, each read with getBackgroundTask({"taskId":"…"}) or getBackgroundProcess({"processId":"…"}):',
      ),
    );
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
    assert.match(text, /started by it: (?:proc_0123456789 "a job", ){5}and 95 more/u);
  });

  for (const [jobs, each] of [
    [1, 6_000],
    [2, 6_000],
    [3, 5_333],
    [4, 4_000],
    [8, 2_000],
  ] as const) {
    void it(`${jobs} long results: ${each} characters of each, head and end, and how many are left out`, () => {
      const long = Array.from({ length: 9_000 }, (_, index) => String(index % 10)).join("");
      const text = compose(...Array.from({ length: jobs }, () => ended(long)));
      const quoted = quotedOf(text).map((line) => line.slice(2));
      const half = Math.floor(each / 2);
      assert.deepEqual(
        quoted,
        Array.from({ length: jobs }, () => [long.slice(0, half), long.slice(half - each)]).flat(),
      );
      const said = `result (${grouped(9_000 - each)} characters left out):`;
      assert.equal(text.split(said).length - 1, jobs);
      assert.equal(text.match(/^…$/gmu)?.length, jobs);
      assert.equal(text.match(/^to read more: /gmu)?.length, jobs);
    });
  }

  void it("30 long results: as many characters of each, as far as their fixed lines leave room", () => {
    const text = compose(...Array.from({ length: 30 }, () => ended("x".repeat(9_000))));
    const quoted = quotedOf(text).join("").length;
    assert.ok(text.length <= 24_000 && quoted > 13_000, `${quoted} of ${text.length} characters`);
    const lengths = quotedOf(text).map((line) => line.length);
    assert.ok(Math.max(...lengths) - Math.min(...lengths) <= 1);
  });

  void it("what a short result does not need is the others'", () => {
    const long = "x".repeat(6_000);
    const all = [ended("short"), ended(long), ended(long), ended("y".repeat(3_000))];
    const quoted = quotedOf(compose(...all)).join("");
    assert.equal(quoted.match(/y/gu)?.length, 3_000);
    assert.equal(quoted.match(/x/gu)?.length, 12_000);
  });

  void it("a long result is cut at line ends, and what is missing is counted to the character", () => {
    const lines = Array.from({ length: 500 }, (_, index) => `line ${index} `.padEnd(40, "."));
    const text = compose(ended(lines.join("\n")));
    const quoted = quotedOf(text).map((line) => line.slice(2));
    assert.ok(quoted.every((line) => lines.includes(line)));
    assert.deepEqual([quoted[0], quoted.at(-1)], [lines[0], lines[499]]);
    const [, left = ""] = /^result \(([\d,]+) characters left out\):$/mu.exec(text) ?? [];
    const shown = quoted.join("\n").length;
    assert.ok(shown > 5_500 && shown <= 6_000, `${shown} characters`);
    // The line end at which it is parted belongs to what is shown.
    assert.equal(Number(left.replace(",", "")), lines.join("\n").length - shown);
  });

  void it("a process's output is its end, with the bytes before it, and a call that finds its errors", () => {
    const job = process({ status: "failed", endReason: "error", exitCode: 2 });
    const output = "€".repeat(100) + "\n" + "x".repeat(5_990);
    const text = compose(end(job, output, output.length + 1_000));
    assert.deepEqual(quotedOf(text), [`| ${"x".repeat(5_990)}`]);
    assert.match(text, /^output \(1,301 bytes left out\):$/mu);
    assert.match(
      text,
      /^to read more: getBackgroundProcess\(\{"processId":"proc_0123456789"\}\)$/mu,
    );
    const quote = { ...storedQuote(job, { text: "boom", total: 50, pattern: 'error|"x"' }) };
    const found = compose({ job, notices: [{ ...notice("ended"), quote }] });
    assert.match(found, /"mode":"grep","pattern":"error\|\\"x\\""\}\)$/mu);
  });

  void it("texts of line ends and escapes alone fit as well", () => {
    for (const text of ["\n".repeat(6_000), "<".repeat(6_000)]) {
      const notice = compose(...Array.from({ length: 30 }, () => ended(text)));
      assert.ok(notice.length <= 24_000, `${notice.length} characters`);
    }
  });

  void it("all that one job has to say shares its 6,000 characters, and nothing is left out unsaid", () => {
    const texts = Array.from({ length: 40 }, (_, index) => `${index} `.repeat(300));
    const job = process({ status: "completed", endReason: "finished", completedAt: new Date(NOW) });
    const outputs: Notice[] = texts.map((text) => notice("output", text));
    const text = compose({ job, notices: [...outputs, ...end(job, "x".repeat(4_000)).notices] });
    const quoted = quotedOf(text);
    const characters = quoted.reduce((sum, line) => sum + line.length - 2, 0);
    assert.ok(characters <= 6_000, `${characters} characters`);
    const left = grouped(texts.join("\n").length - 3_000);
    assert.ok(text.includes(`OPENCODE_NOTIFY 40 times (its end; ${left} characters left out):`));
    assert.match(text, /output \(1,000 bytes left out\)/u);
  });

  void it("a name and an error have one line each, however long and however many accents", () => {
    const long = `e${"\u0301".repeat(1_000)}`.repeat(2_000);
    const text = compose({ ...ended("x"), job: subagent({ name: long, error: long }) });
    assert.ok(text.length < 16_000, `${text.length} characters`);
  });

  void it("never cuts a character in two", () => {
    // 8,001 characters, of which the middle 2,002 are left out: each half would end within a pair.
    const text = compose(ended("x" + "😀".repeat(4_000)));
    const quoted = quotedOf(text).map((line) => line.slice(2));
    assert.ok(!/\p{Surrogate}/u.test(quoted.join("")));
    assert.deepEqual(
      quoted.map((line) => line.length),
      [2_999, 3_000],
    );
    assert.match(text, /\(2,002 characters left out\)/u);
  });
});
