/** The page in a real browser, over state that a test writes as an owner does: on a desk and on a phone, by keyboard only. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { chromium, type Browser, type Locator, type Page } from "playwright-core";
import { STDERR, STDOUT } from "../../src/output/format.js";
import { OutputLog } from "../../src/output/log.js";
import type { Job } from "../../src/jobs/job.js";
import type { UserAct } from "../../src/control/user-acts.js";
import { systemClock, UserError } from "../../src/ports.js";
import type { RequestView, TranscriptView } from "../../src/web/schemas.js";
import { ended, processJob, subagent, WHEN } from "../store/records.js";
import {
  reachable as owner,
  serve,
  stateFolder,
  type Fixture,
  type ServeOptions,
} from "./support.js";
import type { TestContext } from "node:test";

const CHROMIUM = process.env["CHROMIUM"] ?? "/usr/bin/chromium";
const skip = existsSync(CHROMIUM) ? false : "chromium is not installed";
const AXE = createRequire(import.meta.url).resolve("axe-core/axe.min.js");

const ARGUMENTS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

const SINCE = new Date("2026-11-21T10:05:00.000Z");
const QUESTION = {
  kind: "question",
  requestID: "que_1",
  questions: [
    {
      question: "Which database?",
      header: "Database",
      options: [
        { label: "SQLite", description: "A file" },
        { label: "Postgres", description: "A server" },
      ],
      multiple: false,
      custom: true,
    },
    {
      question: "Which checks?",
      header: "Checks",
      options: [
        { label: "Types", description: "" },
        { label: "Lint", description: "" },
        { label: "Tests", description: "" },
      ],
      multiple: true,
      custom: false,
    },
  ],
} satisfies RequestView;
const PERMISSION = {
  kind: "permission",
  requestID: "per_1",
  permission: "bash",
  patterns: ["rm *"],
  always: ["rm *"],
  detail: "rm -f gone.txt",
} satisfies RequestView;

/** A subagent that asks its user. */
function asks(id: string, { kind, requestID }: RequestView) {
  const blockedOn = { kind, what: "an answer", since: SINCE, sessionID: "ses_child", requestID };
  return subagent(id, { name: `asks for a ${kind}`, blockedOn });
}

const SAID = (
  [
    { role: "user", kind: "text", text: "Look into it." },
    { role: "assistant", kind: "reasoning", text: "Let me see." },
    { role: "assistant", kind: "tool", tool: "bash", status: "completed", text: "ls" },
    { role: "assistant", kind: "tool", tool: "read", status: "error", text: "no such file" },
    { role: "assistant", kind: "error", text: "overloaded" },
    { role: "assistant", kind: "text", text: "It is fixed." },
  ] as const
).map((entry) => ({ at: SINCE.toISOString(), ...entry }));

/** Resolves when it is scrolled to, not only in the page. */
async function isInView(element: Locator, within: Locator): Promise<void> {
  for (;;) {
    const [own, around] = [await element.boundingBox(), await within.boundingBox()];
    if (own && around && own.y + own.height <= around.y + around.height + 1) return;
  }
}

const DESK = { width: 1280, height: 800 };
const PHONE = { width: 390, height: 844 };

void describe("the page", { skip, timeout: 240_000 }, () => {
  let browser: Browser;
  before(async () => {
    browser = await chromium.launch({ executablePath: CHROMIUM, args: ARGUMENTS });
  });
  after(() => browser.close());

  interface Opened {
    page: Page;
    served: Fixture;
    made: Awaited<ReturnType<typeof owner>>;
    log: OutputLog;
  }

  async function open(
    t: TestContext,
    viewport = DESK,
    colorScheme: "dark" | "light" = "light",
    options: ServeOptions & { more?: Job[] } = {},
  ): Promise<Opened> {
    const { more = [], ...serveOptions } = options;
    const root = stateFolder(t);
    const made = await owner(
      1,
      root,
      processJob("proc_1", { name: "dev server", command: "npm run dev -- --port 3000" }),
      subagent("bg_1", { name: "Look into it" }),
      ...more,
    );
    const log = new OutputLog(
      join(made.store.outputFolder(), "proc_1.log"),
      8_000_000,
      systemClock,
    );
    t.after(() => log.close());
    log.append(STDOUT, Buffer.from("\u001b[32mready\u001b[0m on port 3000\n"));
    log.append(STDERR, Buffer.from("a warning\n"));
    const served = await serve(t, root, serveOptions);
    const context = await browser.newContext({ viewport, colorScheme });
    t.after(() => context.close());
    const page = await context.newPage();
    const errors: string[] = [];
    page.on("pageerror", (error) => errors.push(error.message));
    page.on("console", (message) => {
      if (/Content Security Policy/u.test(message.text())) errors.push(message.text());
    });
    t.after(() => assert.deepEqual(errors, []));
    await page.goto(served.link);
    await page.getByRole("button", { name: "dev server" }).waitFor();
    return { page, served, made, log };
  }

  void it("takes the token out of the address and keeps it for this tab", async (t) => {
    const { page, served } = await open(t);
    assert.equal(page.url(), `http://127.0.0.1:${served.port}/`);
    await page.reload();
    await page.getByRole("button", { name: "dev server" }).waitFor();
    assert.deepEqual(await page.context().cookies(), []);
    const kept = await page.evaluate("JSON.stringify(localStorage)");
    assert.ok(!String(kept).includes(served.token), "only for this tab");
  });

  void it("sees a job appear, change and go, without a reload", async (t) => {
    const { page, made } = await open(t);
    made.jobs.add(processJob("proc_2", { name: "the new one" }));
    await made.store.flush();
    const job = page.getByRole("button", { name: "the new one" });
    await job.waitFor();
    made.jobs.updateProcess("proc_2", { exitCode: 7 });
    made.jobs.end("proc_2", { status: "failed", reason: "error", at: new Date() });
    await made.store.flush();
    await job.filter({ hasText: "exit 7" }).waitFor();
    made.jobs.remove("proc_2");
    await made.store.flush();
    await job.waitFor({ state: "detached" });
  });

  void it("follows a log with its colours, finds a line, and marks it", async (t) => {
    const { page, log } = await open(t);
    await page.getByRole("button", { name: "dev server" }).click();
    await page.locator(".ansi-green", { hasText: "ready" }).waitFor();
    await page.locator(".line.stderr", { hasText: "a warning" }).waitFor();
    log.append(STDOUT, Buffer.from("\u001b[1;91mbold and bright\u001b[0m\n"));
    await page.locator(".ansi-red.ansi-bold", { hasText: "bold and bright" }).waitFor();
    const weight = "getComputedStyle(document.querySelector('.ansi-bold')).fontWeight";
    assert.equal(await page.evaluate(weight), "600");
    for (let n = 1; n <= 20_000; n += 1) log.append(STDOUT, Buffer.from(`line ${n} of many\n`));
    await page.locator(".line", { hasText: "line 20000 of many" }).waitFor();
    // A smaller window does not end the following.
    await page.setViewportSize({ width: 1280, height: 500 });
    log.append(STDOUT, Buffer.from("behind it\n"));
    await page.locator(".line", { hasText: "behind it" }).waitFor();
    assert.ok((await page.locator(".line").count()) < 200, "only what is seen is in the page");
    await page.getByRole("searchbox", { name: "Find in the output" }).fill("line 777 of");
    await page.locator(".line.current mark", { hasText: "line 777 of" }).waitFor();
    await page.getByText("1/1", { exact: true }).waitFor();
    assert.equal(await page.getByRole("checkbox", { name: "Follow" }).isChecked(), false);
  });

  void it("shows what a process printed as text, whatever it is", async (t) => {
    const { page, made, log } = await open(t);
    const evil = '<img src=x onerror="document.title=1"><script>document.title=2</script>';
    made.jobs.updateProcess("proc_1", { name: `${evil}\u202egnp`, tags: [evil] });
    await made.store.flush();
    log.append(STDOUT, Buffer.from(`${evil}\n\u001b]0;title\u0007\u001b[2Jx\n`));
    await page.getByRole("button", { name: /onerror/u }).click();
    await page.locator(".line", { hasText: "onerror" }).waitFor();
    await page.locator("h2", { hasText: "\\u202egnp" }).waitFor();
    assert.equal(await page.locator("img, #app script").count(), 0);
    assert.equal(await page.title(), "(2) Background jobs");
  });

  void it("asks before it ends a process, and says what the owner said", async (t) => {
    const { page, served } = await open(t);
    await page.getByRole("button", { name: "dev server" }).click();
    await page.getByRole("button", { name: "Stop" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByText("npm run dev -- --port 3000").waitFor();
    await dialog.getByRole("button", { name: "Keep it" }).click();
    assert.deepEqual(served.asked, []);
    await page.getByRole("button", { name: "Stop" }).click();
    await dialog.getByRole("button", { name: "Stop" }).click();
    await page.getByText("stop done").waitFor();
    assert.deepEqual(served.asked, ["stop proc_1"]);
  });

  void it("loses the server and finds it again, and the log that it followed", async (t) => {
    const { page, served, made, log } = await open(t);
    await page.getByRole("button", { name: "dev server" }).click();
    await page.locator(".line", { hasText: "a warning" }).waitFor();
    await served.close();
    await page.getByRole("alert").filter({ hasText: "looking for it" }).waitFor();
    const { port, token, root } = served;
    await serve(t, root, { port, token });
    await page.getByRole("alert").waitFor({ state: "detached" });
    made.jobs.updateSubagent("bg_1", { name: "after the server came back" });
    await made.store.flush();
    await page.getByRole("button", { name: "after the server came back" }).waitFor();
    log.append(STDOUT, Buffer.from("printed since\n"));
    await page.locator(".line", { hasText: "printed since" }).waitFor();
    assert.equal(await page.locator(".line", { hasText: "a warning" }).count(), 1);
    await page.getByText("The output is not followed").waitFor({ state: "detached" });
  });

  void it("says that a server has stopped which closes nothing, and looks for it", async (t) => {
    const { page } = await open(t);
    await page.clock.install();
    await page.reload();
    await page.getByRole("button", { name: "dev server" }).waitFor();
    await page.clock.runFor(39_000);
    assert.equal(await page.getByRole("alert").count(), 0);
    await page.clock.runFor(1_000);
    await page.getByRole("alert").filter({ hasText: "it is silent" }).waitFor();
    await page.clock.runFor(1_000);
    await page.getByRole("alert").waitFor({ state: "detached" });
  });

  void it("asks for the code where OpenCode has called the browser, and does everything with it", async (t) => {
    const { page, served } = await open(t, DESK, "light", {
      byOpenCode: true,
      requests: { bg_permission: PERMISSION },
      more: [asks("bg_permission", PERMISSION)],
    });
    const called = await page.context().newPage();
    const { link, code } = served.linkForOnce();
    await called.goto(link);
    await called.getByRole("button", { name: "asks for a permission" }).click();
    const refused = called.locator(".request [role=status]", { hasText: "the code that OpenCode" });
    await refused.waitFor();
    const field = called.getByRole("textbox", { name: /the code that OpenCode shows/u });
    await field.fill("no");
    await called.keyboard.press("Enter");
    await called.getByText("this is not the code").waitFor();
    await field.fill(`${code.slice(0, 3)} ${code.slice(3)}`);
    await called.keyboard.press("Enter");
    await called.getByRole("button", { name: "Allow once" }).click();
    await called.locator(".request [role=status]", { hasText: "done" }).waitFor();
    assert.equal(await field.count(), 0);
    await called.reload();
    await called.getByRole("button", { name: "Allow once" }).waitFor();
    assert.equal(await field.count(), 0);
    // That of the link needs none.
    assert.equal(await page.getByRole("button", { name: "Confirm" }).count(), 0);
  });

  void it("says that the link is old when the server has another token", async (t) => {
    const { page, served } = await open(t);
    const refused: string[] = [];
    page.on("response", (response) => {
      if (response.status() === 401) refused.push(response.url());
    });
    await page.clock.install();
    await served.close();
    const next = await serve(t, served.root, { port: served.port });
    await page.getByRole("alert").filter({ hasText: "open the new link" }).waitFor();
    await page.clock.runFor(5_000);
    await page.evaluate("fetch('/nowhere')");
    assert.equal(refused.length, 1, "an old token is sent once: ten of them would close the API");
    await page.goto(next.link);
    await page.getByRole("alert").waitFor({ state: "detached" });
    await page.getByRole("button", { name: "dev server" }).click();
    await page.locator(".line", { hasText: "on port 3000" }).waitFor();
  });

  void it("goes on with the events where a lost connection ended", async (t) => {
    const { page } = await open(t);
    const known: (string | undefined)[] = [];
    await page.route("**/api/events", (route) => {
      known.push(route.request().headers()["last-event-id"]);
      if (known.length > 1) return route.continue();
      const body = 'id: 41\nevent: reset\ndata: {"type":"reset"}\n\n';
      return route.fulfill({ contentType: "text/event-stream", body });
    });
    await page.reload();
    await page.getByRole("button", { name: "dev server" }).waitFor();
    assert.deepEqual(known, [undefined, "41"]);
  });

  void it("says what was left out of an output", async (t) => {
    const { page } = await open(t);
    const piece = { type: "chunk", stream: "stdout", text: "behind it\n", skipped: 2_048 };
    const body = `event: chunk\ndata: ${JSON.stringify(piece)}\n\n`;
    await page.route("**/stream?*", (route) =>
      route.fulfill({ contentType: "text/event-stream", body }),
    );
    await page.getByRole("button", { name: "dev server" }).click();
    await page.locator(".line", { hasText: "behind it" }).waitFor();
    await page.locator(".line.note", { hasText: "[2.0 KiB left out" }).waitFor();
  });

  void it("shows what a subagent said, asks and is called as text, whatever it is", async (t) => {
    const evil = "<img src=x><b id=evil>bold</b>";
    const request = { ...PERMISSION, detail: `${evil}\nsecond line` };
    const said = SAID.map((entry) => ({ ...entry, text: evil }));
    const { page } = await open(t, DESK, "light", {
      byOpenCode: true,
      said,
      requests: { bg_evil: request },
      more: [
        { ...asks("bg_evil", request), name: "the evil one" },
        processJob("proc_evil", { name: "its process", command: evil }),
      ],
    });
    await page.getByRole("button", { name: "the evil one" }).click();
    await page.locator(".request pre", { hasText: evil }).waitFor();
    await page.locator(".said .text.assistant", { hasText: evil }).waitFor();
    assert.equal(await page.locator(".said p", { hasText: evil }).count(), said.length);
    assert.equal(await page.locator("img, #evil").count(), 0);
    await page.getByRole("button", { name: "its process" }).click();
    await page.getByRole("button", { name: "Stop" }).click();
    await page.getByRole("dialog").getByText(evil).waitFor();
    assert.equal(await page.locator("img, #evil").count(), 0);
  });

  void it("follows what a subagent says, until its end, and says when that fails", async (t) => {
    const said: TranscriptView["entries"] = [...SAID];
    const { page, made } = await open(t, DESK, "light", { said });
    const last = async (words: string) => {
      const entry = page.locator(".said .text", { hasText: words });
      await entry.waitFor();
      await isInView(entry, page.locator(".said"));
    };
    await page.getByRole("button", { name: "Look into it" }).click();
    await last("It is fixed.");
    const at = SINCE.toISOString();
    for (let n = 1; n <= 60; n += 1) {
      said.push({ at, role: "assistant", kind: "text", text: `sentence ${n}.` });
    }
    await last("sentence 60.");
    await page.getByRole("checkbox", { name: "Follow" }).uncheck();
    made.jobs.end("bg_1", { status: "completed", reason: "finished", at: new Date() });
    said.push({ at, role: "assistant", kind: "text", text: "the last word" });
    await made.store.flush();
    await page.locator(".said .text", { hasText: "the last word" }).waitFor();
    await page.route("**/transcript", (route) =>
      route.fulfill({ status: 409, body: '{"error":"its OpenCode has ended"}' }),
    );
    await page.reload();
    await page.locator(".note", { hasText: "its OpenCode has ended" }).waitFor();
  });

  void it("types lines and keys into a process, and says what its OpenCode refuses", async (t) => {
    let refusal: UserError | undefined;
    const acts: UserAct[] = [];
    const { page } = await open(t, DESK, "light", {
      byOpenCode: true,
      actForUser: (act) => {
        acts.push(act);
        return refusal ? Promise.reject(refusal) : Promise.resolve({ text: "written" });
      },
      more: [
        processJob("proc_open", { name: "a reader", command: "cat", stdin: "open" }),
        processJob("proc_shell", { name: "a shell", command: "bash", stdin: "terminal" }),
      ],
    });
    const line = page.getByRole("textbox", { name: "A line for its input" });
    await page.getByRole("button", { name: "a reader" }).click();
    await line.fill("hello");
    await page.keyboard.press("Enter");
    await page.locator("input[aria-label='A line for its input']:placeholder-shown").waitFor();
    await page.getByRole("button", { name: "Close its input" }).click();
    await page.getByRole("button", { name: "a shell" }).click();
    await line.fill("ls");
    await page.getByRole("button", { name: "Send" }).click();
    await page.locator("input[aria-label='A line for its input']:placeholder-shown").waitFor();
    await page.getByRole("button", { name: "C-c" }).click();
    refusal = new UserError("its input is closed");
    await line.fill("kept");
    await page.keyboard.press("Enter");
    await page.getByRole("alert").filter({ hasText: "its input is closed" }).waitFor();
    assert.equal(await line.inputValue(), "kept");
    const reader = { method: "write", jobID: "proc_open", command: "cat" };
    const shell = { method: "write", jobID: "proc_shell", command: "bash" };
    assert.deepEqual(acts, [
      { ...reader, text: "hello\n" },
      { ...reader, end: true },
      { ...shell, text: "ls", keys: ["Enter"] },
      { ...shell, keys: ["C-c"] },
      { ...shell, text: "kept", keys: ["Enter"] },
    ]);
  });

  for (const [button, job, reply] of [
    ["Allow once", "bg_permission", { method: "reply", requestID: "per_1", reply: "once" }],
    ["Allow always", "bg_permission", { method: "reply", requestID: "per_1", reply: "always" }],
    ["Reject", "bg_permission", { method: "reply", requestID: "per_1", reply: "reject" }],
    ["Reject", "bg_question", { method: "answer", requestID: "que_1" }],
  ] as const) {
    void it(`answers ${job} with "${button}"`, async (t) => {
      const request = job === "bg_question" ? QUESTION : PERMISSION;
      const { page, served } = await open(t, DESK, "light", {
        byOpenCode: true,
        requests: { [job]: request },
        more: [asks(job, request)],
      });
      await page.getByRole("button", { name: `asks for a ${request.kind}` }).click();
      if (job === "bg_permission")
        await page.locator(".request .note", { hasText: "rm *" }).waitFor();
      await page.getByRole("button", { name: button }).click();
      await page.locator(".request [role=status]", { hasText: "done" }).waitFor();
      assert.deepEqual(JSON.parse(served.asked.at(-1) ?? "null"), { jobID: job, ...reply });
    });
  }

  void it("answers several questions at once, with a choice, several and words", async (t) => {
    const { page, served } = await open(t, DESK, "light", {
      byOpenCode: true,
      requests: { bg_question: QUESTION },
      more: [asks("bg_question", QUESTION)],
    });
    await page.getByRole("button", { name: "asks for a question" }).click();
    const send = page.getByRole("button", { name: "Send" });
    const first = page.getByRole("group", { name: "Which database?" });
    await first.getByRole("radio", { name: "SQLite" }).check();
    await first.getByRole("radio", { name: "Postgres" }).check();
    await first.getByRole("textbox", { name: "An answer of your own" }).fill(" version 17 ");
    assert.equal(await send.isDisabled(), true, "the second question has no answer");
    const second = page.getByRole("group", { name: "Which checks?" });
    assert.equal(await second.getByRole("textbox").count(), 0);
    for (const name of ["Types", "Lint", "Tests"]) {
      await second.getByRole("checkbox", { name }).check();
    }
    await second.getByRole("checkbox", { name: "Lint" }).uncheck();
    await send.click();
    await page.locator(".request [role=status]", { hasText: "done" }).waitFor();
    const answers = [
      ["Postgres", "version 17"],
      ["Types", "Tests"],
    ];
    const expected = { method: "answer", jobID: "bg_question", requestID: "que_1", answers };
    const answered = served.asked.find((act) => act.includes('"answer"'));
    assert.deepEqual(JSON.parse(answered ?? "null"), expected);
  });

  void it("names a project by its folder, and a session by its task or its first job", async (t) => {
    const { page } = await open(t, DESK, "light", {
      more: [
        subagent("bg_parent", { name: "Fix the build", sessionID: "ses_child" }),
        processJob("proc_child", { name: "of the child", parentSessionID: "ses_child" }),
        processJob("proc_early", {
          name: "an early one",
          createdAt: new Date("2025-01-02T12:00:00.000Z"),
        }),
      ],
    });
    const project = page.getByRole("heading", { level: 2, name: "project" });
    assert.equal(await project.getAttribute("title"), "/project");
    await page.getByRole("button", { name: "Fix the build ses_child, time line" }).waitFor();
    const root = page.getByRole("button", { name: /^Session of .*2025.* ses_root, time line$/u });
    // What is filtered out still says when the session began.
    await page.getByRole("searchbox", { name: "Find a job" }).fill("dev server");
    await page.getByRole("button", { name: "an early one" }).waitFor({ state: "detached" });
    await root.click();
    await page.getByRole("heading", { name: /^Time line .*Session of .*2025/u }).waitFor();
    await page.getByRole("searchbox", { name: "Find a job" }).fill("of the child");
    await page.getByRole("button", { name: "of the child" }).click();
    await page.getByText("Fix the build, ses_child", { exact: true }).waitFor();
  });

  void it("draws a session's time line, its cost and a process's output a second", async (t) => {
    const from = WHEN.getTime();
    const job = (at: number, minutes: number) => {
      const startedAt = new Date(from + at * 60_000);
      const made = subagent(`bg_line_${at}`, {
        name: `from minute ${at}`,
        parentSessionID: "ses_line",
        createdAt: startedAt,
        startedAt,
      });
      return ended(made, new Date(from + (at + minutes) * 60_000));
    };
    const { page, made } = await open(t, DESK, "light", {
      more: [job(0, 10), job(5, 5), job(10, 10)],
    });
    await page.getByRole("button", { name: "ses_line, time line" }).click();
    const line = page.getByRole("region", { name: "Time line" });
    const rows = line.getByRole("listitem").getByRole("button");
    await rows.nth(2).waitFor();
    const said = (await rows.allTextContents()).map((text) => text.replaceAll(/\s+/gu, " ").trim());
    assert.deepEqual(said, [
      "✓ from minute 0done, 10 min 0 s",
      "✓ from minute 5done, 5 min 0 s",
      "✓ from minute 10done, 10 min 0 s",
    ]);
    const pieces = await line
      .locator(".piece")
      .evaluateAll((all) => all.map((each) => each.getAttribute("style")));
    assert.deepEqual(pieces, [
      "left: 0%; width: 50%;",
      "left: 25%; width: 25%;",
      "left: 50%; width: 50%;",
    ]);
    const cost = line.getByRole("img", { name: "Cost, US dollars, 0.250 to 0.750" });
    await cost.locator("canvas").waitFor();

    await page.getByRole("button", { name: "dev server" }).click();
    const rate = page.getByRole("img", { name: /^Output a second, 0 B to [\d.]+ \w+$/u });
    for (const bytes of [5_000, 50_000, 500_000]) {
      made.jobs.updateProcess("proc_1", { output: { bytes, dropped: 0 } });
      await made.store.flush();
      await page.getByText(`${(bytes / 1_024).toFixed(1)} KiB`).waitFor();
    }
    await rate.locator("canvas").waitFor();
  });

  void it("works by keyboard only", async (t) => {
    const { page } = await open(t);
    await page.keyboard.press("/");
    await page.keyboard.type("dev");
    await page.getByRole("button", { name: "Look into it" }).waitFor({ state: "detached" });
    await page.keyboard.press("Tab");
    await page.keyboard.press("Tab");
    await page.keyboard.press("j");
    await page.keyboard.press("Enter");
    await page.locator(".line", { hasText: "on port 3000" }).waitFor();
    await page.keyboard.press("Escape");
    await page.getByText("Choose a job.").waitFor();
  });

  void it("shows who ran when in a session", async (t) => {
    const { page } = await open(t);
    await page.getByRole("button", { name: "ses_root, time line" }).click();
    await page.locator(".timeline li").nth(1).waitFor();
    await page.locator(".timeline button", { hasText: "Look into it" }).click();
    await page.getByText("Its session:").waitFor();
  });

  void it("fits a phone: the list, then the job, then back", async (t) => {
    const { page, made } = await open(t, PHONE, "light", { byOpenCode: true });
    made.jobs.updateProcess("proc_1", { stdin: "open" });
    await made.store.flush();
    const isWide = () =>
      page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth");
    assert.equal(await isWide(), false);
    await page.getByRole("button", { name: "dev server" }).click();
    await page.locator(".line", { hasText: "on port 3000" }).waitFor();
    assert.equal(await isWide(), false);
    // The log, what steers it and the input below it are seen at once; the facts are a step away.
    const isSeen = async (element: Locator) => {
      const box = (await element.boundingBox()) ?? assert.fail("it is not in the page");
      assert.ok(box.y >= 0 && box.y + box.height <= PHONE.height, JSON.stringify(box));
    };
    const lines = page.getByRole("log", { name: "Lines" });
    assert.ok(((await lines.boundingBox())?.height ?? 0) >= 300);
    for (const name of ["Stop", "Next", "Send"]) {
      await isSeen(page.getByRole("button", { name, exact: true }));
    }
    for (const seen of [lines, page.getByRole("checkbox", { name: "Follow" })]) await isSeen(seen);
    const folder = page.locator("dd", { hasText: "/project" });
    assert.equal(await folder.isVisible(), false);
    const summary = page.locator("summary", {
      hasText: /^running, .* npm run dev -- --port 3000$/u,
    });
    await summary.focus();
    await page.keyboard.press("Enter");
    await isSeen(folder);
    await page.keyboard.press("Enter");
    await folder.waitFor({ state: "hidden" });
    await page.getByRole("button", { name: "Back to the list" }).click();
    await page.getByRole("button", { name: "dev server" }).waitFor();
  });

  for (const [name, viewport] of [
    ["a desk", DESK],
    ["a phone", PHONE],
  ] as const) {
    for (const scheme of ["light", "dark"] as const) {
      void it(`has no serious fault for axe on ${name} in ${scheme}`, async (t) => {
        const { page } = await open(t, viewport, scheme, {
          byOpenCode: true,
          said: SAID,
          requests: { bg_question: QUESTION, bg_permission: PERMISSION },
          more: [
            asks("bg_question", QUESTION),
            asks("bg_permission", PERMISSION),
            ended(subagent("bg_done", { name: "the first end" }), SINCE),
            ended(subagent("bg_done_2", { name: "the second end" }), SINCE),
            processJob("proc_shell", { name: "a shell", stdin: "terminal" }),
          ],
        });
        const serious = async (): Promise<unknown> => {
          // The policy lets no script in by address: read by the test, run by the browser's own tools.
          const context = await page.context().newCDPSession(page);
          const script = `${readFileSync(AXE, "utf8")}; axe.run().then((r) => JSON.stringify(r.violations.filter((v) => v.impact === "serious" || v.impact === "critical").map((v) => v.id + ": " + v.nodes.map((n) => n.html).join(" | "))))`;
          const { result } = await context.send("Runtime.evaluate", {
            expression: script,
            awaitPromise: true,
          });
          await context.detach();
          const found: unknown = JSON.parse(String(result.value));
          return found;
        };
        assert.deepEqual(await serious(), []);
        await page.getByRole("button", { name: "dev server" }).click();
        await page.locator(".line", { hasText: "on port 3000" }).waitFor();
        assert.deepEqual(await serious(), []);
        const folder = process.env["PICTURES"];
        if (folder)
          await page.screenshot({ path: join(folder, `page-${name.slice(2)}-${scheme}.png`) });

        /** Opens a job, waits for what only its view has, and looks at all of it. */
        const look = async (job: string, seen: Locator) => {
          const back = page.getByRole("button", { name: "Back to the list" });
          if (await back.isVisible()) await back.click();
          await page.getByRole("button", { name: job }).click();
          await seen.waitFor();
          assert.deepEqual(await serious(), [], job);
        };
        await look("asks for a permission", page.getByRole("button", { name: "Allow once" }));
        await look("asks for a question", page.getByRole("checkbox", { name: "Lint" }));
        await look("a shell", page.getByRole("form", { name: "Input" }));
        await look("Look into it", page.locator(".said .text", { hasText: "It is fixed." }));
        await look("ses_root", page.locator(".timeline .plot canvas"));
      });
    }
  }

  void it("is out of reach for a service worker of a program that had the port before", async (t) => {
    const seen: string[] = [];
    const program = createServer(({ url }, response) => {
      seen.push(url ?? "");
      response.setHeader("Content-Type", url === "/worker.js" ? "text/javascript" : "text/html");
      const answer = `new Response("hostile", { headers: { "Content-Type": "text/html" } })`;
      const worker = `addEventListener("fetch", (event) => event.respondWith(${answer}))`;
      const page = `<script>navigator.serviceWorker.register("/worker.js")</script>`;
      response.end(url === "/worker.js" ? worker : page);
    }).listen(0, "127.0.0.1");
    await once(program, "listening");
    const address = program.address();
    assert.ok(address && typeof address === "object");
    const { port } = address;
    const context = await browser.newContext();
    t.after(() => context.close());
    const page = await context.newPage();
    await page.goto(`http://127.0.0.1:${port}/`);
    await page.evaluate("navigator.serviceWorker.ready.then(() => undefined)");
    program.close();
    program.closeAllConnections();
    await once(program, "close");
    assert.ok(seen.includes("/worker.js"));

    const root = stateFolder(t);
    await owner(1, root, processJob("proc_1", { name: "dev server" }));
    const served = await serve(t, root, { port, ownName: "jobs-new.localhost" });
    await page.goto(`http://127.0.0.1:${port}/`);
    await page.getByText("hostile").waitFor();
    await page.goto(served.link);
    assert.equal(new URL(page.url()).host, `jobs-new.localhost:${port}`);
    await page.getByRole("button", { name: "dev server" }).waitFor();
  });

  void it("gives a hostile page on another port of the same host nothing", async (t) => {
    const { page, served } = await open(t);
    const hostile = createServer((_, response) => {
      response.setHeader("Content-Type", "text/html");
      response.end("<h1>hostile</h1>");
    }).listen(0, "127.0.0.1");
    t.after(() => hostile.close());
    await new Promise((resolve) => hostile.once("listening", resolve));
    const address = hostile.address();
    assert.ok(address && typeof address === "object");
    const other = await page.context().newPage();
    await other.goto(`http://127.0.0.1:${address.port}/`);
    const target = `http://127.0.0.1:${served.port}`;
    const tried: unknown = await other.evaluate(async (base) => {
      const said: string[] = [];
      const tries: [string, RequestInit][] = [
        ["/api/jobs", {}],
        ["/api/jobs", { mode: "no-cors", credentials: "include" }],
        ["/api/jobs/proc_1/stop", { method: "POST" }],
        ["/api/jobs/proc_1/stop", { method: "POST", mode: "no-cors" }],
      ];
      for (const [path, init] of tries) {
        try {
          const response = await fetch(base + path, init);
          said.push(`${response.type} ${response.status} ${(await response.text()).length}`);
        } catch {
          said.push("blocked");
        }
      }
      return said;
    }, target);
    assert.deepEqual(tried, ["blocked", "blocked", "blocked", "blocked"]);
    assert.deepEqual(served.asked, []);
  });
});
