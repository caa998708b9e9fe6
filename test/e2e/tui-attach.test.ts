// The terminal part attached to a server: jobs are seen on the same machine, whatever the terminal's own
// folders are; what runs elsewhere is said to be out of sight; parts that are broken on purpose leave the host's
// screen alone. And what a person does to a job in the terminal reaches the server that runs it: both are seen, the
// keys and the screen here, the events and records there. One terminal tells one story, test after test.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { callTool } from "../../fixtures/host/index.js";
import { gate, text, toolCall, type Step } from "../../fixtures/model/index.js";
import { aProcess, aSubagent } from "../../fixtures/jobs.js";
import { openOutputOf, writeStateFolder } from "../../fixtures/tui/jobs.js";
import { chooseAction, searchDialog } from "../../fixtures/tui/keys.js";
import type { Job } from "../../src/jobs/job.js";
import { readInstances } from "../../src/store/instances.js";
import { noticeTo } from "./support.js";
import { LIMIT as options, skip, useAttached } from "./use-terminal.js";
import { freePort, home } from "./web-support.js";

const user = home();
const port = await freePort();

void describe("a terminal attached to a server", { skip }, () => {
  after(() => user.remove());
  const bed = useAttached({
    config: { permission: { bash: { "*": "allow", "rm *": "ask" } } },
    pluginOptions: { web: { port } },
    env: user.env,
    parts: ["fixtures/tui/odd-parts.ts"],
    prepare: ({ host, model, session }) =>
      callTool(host, model, session, "createBackgroundProcess", {
        command: "echo listening; sleep 1000",
        readyPattern: "listening",
        name: "far server",
      }),
  });

  const job = async (name: string): Promise<Job> => {
    const jobs = (await readInstances(bed.root)).flatMap((view) => view.jobs);
    const found = jobs.find((each) => each.name === name);
    assert.ok(found, `a job named ${name}`);
    return found;
  };
  /** A subagent whose run is these steps; its child's id. */
  const start = async (name: string, steps: readonly Step[]): Promise<string> => {
    const { host, model } = bed;
    const from = host.events.cursor;
    model.script(`the work of ${name}`, steps);
    const task = { description: name, prompt: `the work of ${name}`, agent: "general" };
    await callTool(host, model, bed.session, "createBackgroundTask", task);
    const isChild = ({ info }: { info: { parentID?: string } }) => info.parentID === bed.session;
    const { properties } = await host.waitFor("session.created", isChild, { from });
    return properties.sessionID;
  };

  const command = async (name: string, expected: RegExp): Promise<void> => {
    await bed.terminal.type(`/${name}`);
    await bed.terminal.waitFor((screen) => screen.includes(`/${name} `));
    await bed.terminal.press("Enter");
    await bed.terminal.waitFor(expected);
  };

  test("shows the server's jobs, read from the server's folder", options, async () => {
    await bed.terminal.waitFor(/● far server +\w+ *\n.*listening/);
  });

  test("a question is answered from the list", options, async () => {
    const { host, model, session } = bed;
    const asks = {
      questions: [
        {
          question: "Which colour?",
          header: "Colour",
          options: [
            { label: "Red", description: "warm" },
            { label: "Blue", description: "cold" },
          ],
        },
      ],
    };
    // No subagent of ours may ask, so a session asks that a record names as its own.
    const asking = await host.createSession({ title: "Asking" });
    model.scriptSession(asking.id, [toolCall("question", asks), text("Thanks.")]);
    const prompt = await host.prompt(asking.id, "ask me");
    const { properties } = await host.waitFor("question.asked");
    const project = await host.client.project.current({}, { throwOnError: true });
    writeStateFolder({ root: bed.root, projectID: project.data.id, directory: host.project }, [
      aSubagent({
        name: "Paint it",
        parentSessionID: session,
        rootSessionID: session,
        blockedOn: {
          kind: "question",
          what: "Which colour?",
          since: new Date(),
          sessionID: asking.id,
          requestID: properties.id,
        },
      }),
    ]);
    await bed.terminal.waitFor(/▲ Paint it[^]*question: Which colour\?/);
    await bed.terminal.press("C-x", "j");
    await bed.terminal.waitFor(/Blocked \(1\)/);
    await bed.terminal.press("Enter");
    await bed.terminal.waitFor(/Answer the question/);
    await bed.terminal.press("Enter");
    await bed.terminal.waitFor(/Red warm *\n.*Blue cold/);
    await bed.terminal.press("Down");
    await bed.terminal.press("Enter");
    await host.waitRunEnd(asking.id, prompt);
    const [turn] = model.turns(asking.id).slice(-1);
    assert.match(String(turn?.toolResults.at(-1)), /Blue/);
  });

  test("the log of a queued subagent goes on with its session", options, async () => {
    const { host, model, session, terminal } = bed;
    const child = await host.createSession({ title: "The work" });
    model.scriptSession(child.id, [text("It is done.")]);
    await host.run(child.id, "do it");
    const project = await host.client.project.current({}, { throwOnError: true });
    const { project: directory } = host;
    const where = { root: bed.root, projectID: project.data.id, directory, instance: "queue" };
    const ids = { id: "bg_queued0000", parentSessionID: session, rootSessionID: session };
    const record = aSubagent({ name: "Wait my turn", ...ids });
    writeStateFolder(where, [{ ...record, status: "pending", sessionID: undefined }]);
    await terminal.waitFor(/○ Wait my turn/);
    await chooseAction(terminal, "Wait my turn", "See the log");
    await terminal.waitFor(/It has not been started yet\./);
    writeStateFolder(where, [{ ...record, sessionID: child.id }]);
    await terminal.waitFor(/> do it[^]*It is done\./);
    await terminal.press("Escape");
    await terminal.waitFor(/● Wait my turn/);
  });

  test(
    "a subagent is cancelled, once it was confirmed, and its parent is told",
    options,
    async () => {
      const { host, model, terminal } = bed;
      const child = await start("Count sheep", [[text("one, two "), gate("never")]]);
      const run = await model.waitForRequest((request) => request.conversation === child);

      await chooseAction(terminal, "Count sheep", "Cancel");
      await terminal.waitFor(/Cancel this subagent\?/);
      await terminal.press("Escape");
      await terminal.waitGone(/Cancel this subagent\?/);
      assert.equal((await job("Count sheep")).status, "running");
      assert.equal(run.end, undefined);

      await chooseAction(terminal, "Count sheep", "Cancel");
      await terminal.waitFor(/Cancel this subagent\?/);
      await terminal.press("Enter");
      await terminal.waitFor(/■ Count sheep +cancelled/);
      assert.equal(await run.ended, "aborted");
      const ended = await job("Count sheep");
      assert.equal(`${ended.status} ${ended.endReason}`, "cancelled cancelled_by_user");
      // Not the agent did this: it must hear of it, with what there is of the work.
      const notice = await noticeTo(bed, bed.session, /Count sheep/u);
      assert.match(notice, /status="cancelled" reason="cancelled_by_user"/u);
      assert.match(notice, /^\| one, two$/mu);
      const { data } = await host.client.session.status();
      assert.equal(data?.[child], undefined);
    },
  );

  test("a refused permission reaches the subagent", options, async () => {
    const { host, terminal } = bed;
    const bash = toolCall("bash", { command: "rm -rf src", description: "Remove it" });
    const child = await start("Tidy up", [bash, text("I may not.")]);
    await terminal.waitFor(/▲ Tidy up[^]*permission: bash: rm -rf src/);
    await chooseAction(terminal, "Tidy up", "Answer");
    await terminal.waitFor(/Permission: bash: rm -rf src/);
    await searchDialog(terminal, "How to answer", "Reject");
    await terminal.press("Enter");
    const { properties } = await host.waitFor(
      "permission.replied",
      (reply) => reply.sessionID === child,
    );
    assert.equal(properties.reply, "reject");
    await terminal.waitGone(/▲ Tidy up/);
    assert.equal((await job("Tidy up")).blockedOn, undefined);
  });

  test("a password is typed in the dialog, and kept nowhere", options, async (t) => {
    if (spawnSync("python3", ["-c", "import getpass"]).status !== 0) {
      t.skip("python3 is not installed");
      return;
    }
    const { host, model, terminal } = bed;
    const secret = "Tr0ub4dor-und-3";
    const python = [
      "import getpass, hashlib",
      "word = getpass.getpass('Vault key: ')",
      "print('got', hashlib.sha256(word.encode()).hexdigest(), flush=True)",
    ].join("\n");
    writeFileSync(join(host.project, "ask.py"), python);
    const command = `python3 ask.py; printf 'Ok to proceed? (y) '; read -r said; echo "said $said"; sleep 300`;
    const args = { command, name: "Vault", stdin: "terminal" };
    const started = await callTool(host, model, bed.session, "createBackgroundProcess", args);
    const processId = /proc_\w{10}/u.exec(started)?.[0] ?? "";
    const calling = (tool: string, more: object = {}) =>
      callTool(host, model, bed.session, tool, { processId, ...more });

    const toast = terminal.waitFor(/"Vault" asks for a password/);
    const notice = await noticeTo(bed, bed.session, /asks for a password/u);
    assert.match(
      notice,
      /do not answer it, and do not ask for the password here.*:\n\| Vault key:/u,
    );
    await toast;
    await terminal.waitFor(/▲ Vault[^]*password: Vault key:/);
    const listed = await calling("getBackgroundProcess");
    assert.match(listed, /waits for a password, which only the user types: Vault key:/u);

    const type = async (action: string, asks: RegExp, line: string) => {
      await chooseAction(terminal, "Vault", action);
      await terminal.waitFor(asks);
      await terminal.type(line);
    };
    await type("Type the password", /Vault key:[^]*enter types it/, `${secret}x`);
    await terminal.waitFor(/•{16}▏/);
    await terminal.press("BSpace");
    await terminal.waitFor(/[^•]•{15}▏/);
    await terminal.press("Enter");
    // What is no password is answered there, too.
    await terminal.waitFor(/▲ Vault[^]*input: Ok to proceed\? \(y\)/);
    await type("Answer what it asks", /Your answer/, "yes");
    await terminal.press("Enter");
    await terminal.waitGone(/▲ Vault/);

    const printed = await calling("getBackgroundProcess", { mode: "full" });
    const digest = createHash("sha256").update(secret).digest("hex");
    assert.match(printed, new RegExp(`got ${digest}[^]*said yes`, "u"));
    await calling("killProcesses");
    const asked = model.turns(bed.session).at(-1)?.allText ?? "";
    assert.equal(noticesAbout(asked, "asks for a password"), 1);
    const seen = [...model.requests.map(({ allText }) => allText), host.log.tail(), host.dump()];
    assert.ok(!seen.some((each) => each.includes(secret)), "in what the model or a log was given");
    assert.deepEqual(filesWith(secret, bed.scratch), []);
    assert.notDeepEqual(
      filesWith("Vault key: ", bed.scratch),
      [],
      "the search finds nothing at all",
    );
  });

  test("a question stays open when it is left, and takes several answers", options, async () => {
    const { host, model, terminal } = bed;
    const colour = (label: string) => ({ label, description: "" });
    const asks = {
      question: "Which colours?",
      header: "Colours",
      options: ["Red", "Blue", "Green"].map(colour),
      multiple: true,
    };
    // No subagent of ours may ask, so a session asks that a record names as its own.
    const asking = await host.createSession({ title: "Asking" });
    model.scriptSession(asking.id, [toolCall("question", { questions: [asks] }), text("Thanks.")]);
    const from = host.events.cursor;
    await host.prompt(asking.id, "ask me");
    const { properties } = await host.waitFor("question.asked", () => true, { from });
    const project = await host.client.project.current({}, { throwOnError: true });
    const blockedOn = {
      kind: "question",
      what: asks.question,
      since: new Date(),
      sessionID: asking.id,
      requestID: properties.id,
    } as const;
    const ids = { parentSessionID: bed.session, rootSessionID: bed.session };
    const where = { root: bed.root, projectID: project.data.id, directory: host.project };
    writeStateFolder(where, [aSubagent({ name: "Paint more", ...ids, blockedOn })]);
    await terminal.waitFor(/▲ Paint more[^]*question: Which colours\?/);

    await chooseAction(terminal, "Paint more", "Answer");
    await terminal.waitFor(/Which colours\?[^]*Send \(0 chosen\)/);
    await terminal.press("Escape");
    await terminal.waitGone(/Send \(0 chosen\)/);
    const { data: open } = await host.client.question.list({}, { throwOnError: true });
    assert.deepEqual(
      open.map(({ id }) => id),
      [properties.id],
    );

    await chooseAction(terminal, "Paint more", "Answer");
    await terminal.waitFor(/Send \(0 chosen\)/);
    await searchDialog(terminal, "Your answer", "Blue");
    await terminal.press("Enter");
    await terminal.waitFor(/✓ Blue[^]*Send \(1 chosen\)/);
    await searchDialog(terminal, "Your answer", "Write");
    await terminal.press("Enter");
    await terminal.waitGone(/Send \(1 chosen\)/);
    await terminal.type("a dark violet");
    await terminal.waitFor(/a dark violet/);
    await terminal.press("Enter");
    const { properties: replied } = await host.waitFor("question.replied", () => true, { from });
    assert.deepEqual(replied.answers, [["Blue", "a dark violet"]]);
  });

  test(
    "a log of 1 GiB is searched to its end, and keys are obeyed meanwhile",
    options,
    async () => {
      const { host, terminal } = bed;
      const project = await host.client.project.current({}, { throwOnError: true });
      const ids = { parentSessionID: bed.session, rootSessionID: bed.session };
      const large = aProcess({ name: "Large", ...ids });
      const where = { root: bed.root, projectID: project.data.id, directory: host.project };
      const folder = writeStateFolder({ ...where, instance: "1a61a61a61a61a61" }, [large]);
      const output = openOutputOf(folder, large.id, 1024 ** 3);
      const mebibyte = Buffer.from(`${"no match in here".padEnd(127)}\n`.repeat(8_192));
      output.append(0, Buffer.from("the first needle\n"));
      for (let count = 0; count < 1_020; count += 1) output.append(0, mebibyte);
      output.append(0, Buffer.from("the last needle\n"));
      output.close();

      await terminal.waitFor(/● Large/);
      await chooseAction(terminal, "Large", "See the log");
      await terminal.waitFor(/the last needle[^]*follow on/);
      await terminal.press("g");
      await terminal.waitFor(/the first needle[^]*wrap on/);
      await terminal.press("/");
      await terminal.waitFor(/search, then enter/);
      await terminal.type("needle");
      await terminal.waitFor(/\/ needle/);
      await terminal.press("Enter");
      await terminal.waitFor(/\/needle 1\/1 … \d+ % searched/);
      await terminal.press("w");
      // Both at once: the search goes on.
      await terminal.waitFor(/… \d+ % searched[^]*wrap off/);
      await terminal.press("w");
      await terminal.waitFor(/wrap on/);
      await terminal.waitFor(/\/needle 1\/2/);
      await terminal.press("n");
      await terminal.waitFor(/the last needle[^]*\/needle 2\/2/);
      await terminal.press("q");
      await terminal.waitGone(/the last needle/);
    },
  );

  test("a command opens the page of the OpenCode that is shown", options, async () => {
    const { host, terminal } = bed;
    const from = host.events.cursor;
    await terminal.type("/jobs-page");
    await terminal.waitFor(/\/jobs-page +Open it in the browser/);
    await terminal.press("Enter");
    const words = /^Your browser was called for (\S+) \(code \d{6}\)$/u;
    const { properties } = await host.waitFor(
      "tui.toast.show",
      ({ message }) => words.test(message),
      { from },
    );
    const link = new URL(words.exec(properties.message)?.[1] ?? "");
    assert.equal(link.port, String(port));
    const called = readFileSync(join(user.folder, "xdg-open.called"), "utf8");
    const ticket = new URL(called.trim()).hash.replace("#ticket=", "");
    const response = await fetch(`http://127.0.0.1:${link.port}/api/ticket`, {
      method: "POST",
      body: JSON.stringify({ ticket }),
    });
    assert.equal(response.status, 200);
  });

  test("a broken part says so and nothing else happens", options, async () => {
    await bed.terminal.waitFor(/Background: cannot be shown/);
    await bed.terminal.waitFor(/● far server/);
  });

  test("jobs of a server on another machine are said to be out of sight", options, async () => {
    await bed.terminal.waitFor(/Jobs run on another machine/);
    await command("remotejobs", /The jobs of far\.example\.com cannot be shown/);
    await bed.terminal.press("Escape");
    await bed.terminal.waitGone(/far\.example\.com/);
  });

  test("a broken list says so, and can be left", options, async () => {
    await command("brokenjobs", /This cannot be shown\./);
    await bed.terminal.press("Escape");
    await bed.terminal.waitGone(/This cannot be shown/);
  });

  test("a broken log view says so, and can be left", options, async () => {
    await command("brokenlog", /The log cannot be shown\./);
    await bed.terminal.press("C-p");
    await bed.terminal.waitFor(/Commands/);
    await bed.terminal.press("Escape");
    await bed.terminal.waitGone(/Commands/);
    assert.ok(await bed.terminal.running());
  });
});

function noticesAbout(text: string, words: string): number {
  return text.split(words).length - 1;
}

/** What the host and its terminal have on disk with this text in it, without installed packages. */
function filesWith(text: string, folders: readonly string[]): string[] {
  const args = ["-rlaF", "--exclude-dir=node_modules", "--", text, ...folders];
  const { status, stdout } = spawnSync("grep", args, { encoding: "utf8" });
  assert.ok(status === 0 || status === 1, `grep: ${status}`);
  return stdout.split("\n").filter(Boolean);
}
