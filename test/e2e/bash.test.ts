/** `bash` that goes on: what becomes of a command whose call does not wait any longer, on a real host. */
import assert from "node:assert/strict";
import { watch, type FSWatcher } from "node:fs";
import { describe } from "node:test";
import { callTool } from "../../fixtures/host/index.js";
import { survivorsAfter } from "../../fixtures/host/survivors.js";
import { gate, text, toolCall, type ModelRequest } from "../../fixtures/model/index.js";
import {
  childOf,
  firstJob,
  held,
  jobIds,
  launch,
  noticeTo,
  startRun,
  timesTold,
} from "./support.js";
import { casesOf } from "../rounds.js";
import { shareServer, useHost, useProject, type Bed } from "./use-host.js";

shareServer();

const CONTINUE = { bash: "continue", bashSeconds: 600 };
const STILL_RUNS = /^proc_\w{10} still runs[^]*THE COMMAND STILL RUNS/u;

/** The answer of the latest call that this session's model was shown. */
function answerTo({ model }: Bed, sessionID: string): string {
  return model.turns(sessionID).at(-1)?.toolResults.at(-1) ?? "";
}

/** What the host has stored of the calls of bash in a session. */
async function calls({ host }: Bed, sessionID: string) {
  const parts = (await host.messages(sessionID)).flatMap(({ parts: all }) => all);
  return parts.flatMap((part) => (part.type === "tool" && part.tool === "bash" ? part : []));
}

/** `seen` resolves once a file of this name appears in the folder. */
function appears(folder: string, name: string) {
  let watcher: FSWatcher | undefined;
  const seen = new Promise<void>((resolve) => {
    watcher = watch(folder, (_, file) => {
      if (file === name) resolve();
    });
  });
  return { seen, close: () => watcher?.close() };
}

/** Resolves once the call's output on the user's screen holds this. */
async function seen({ host }: Bed, sessionID: string, words: string): Promise<void> {
  await host.waitFor("message.part.updated", ({ part }) => {
    if (part.sessionID !== sessionID || part.type !== "tool") return false;
    const { state } = part;
    return state.status === "running" && JSON.stringify(state.metadata ?? {}).includes(words);
  });
}

/** In which the host is killed. */
const MOMENTS = [
  "is called",
  "has printed nothing",
  "prints",
  "is being moved",
  "was moved",
  "was left",
  "is being ended by ESC",
] as const;

describe("a command that takes longer than its call", () => {
  const bed = useHost({ pluginOptions: CONTINUE });

  bed.test("goes on, is told once, and its exit code is right", async () => {
    const { host, model } = bed;
    const parent = await host.createSession({ title: "build" });
    const { command, go } = held(bed, "echo built; exit 7");
    model.scriptSession(parent.id, [
      toolCall("bash", { command: `echo begun; ${command}`, timeout: 2_000 }),
      text("I go on with something else"),
      text("noted"),
    ]);
    await host.run(parent.id, "build it");
    const answer = answerTo(bed, parent.id);
    assert.match(answer, STILL_RUNS);
    assert.match(answer, /^begun$/mu);
    const id = firstJob(bed, parent.id);
    const list = await callTool(host, model, parent.id, "listBackgroundProcesses", {});
    assert.match(list, new RegExp(`${id} running`, "u"));
    go();
    const notice = await noticeTo(bed, parent.id);
    assert.match(notice, /status="failed"[^]*exit code: 7[^]*\| begun\n\| built/u);
    const read = await callTool(host, model, parent.id, "getBackgroundProcess", { processId: id });
    assert.match(read, /exit code 7[^]*\| begun\n\| built$/u);
    assert.equal(timesTold(bed, parent.id, id), 1);
  });

  bed.test("is moved at once when its user writes, who is answered", async () => {
    const { host, model } = bed;
    const parent = await host.createSession({ title: "user" });
    const { command, go } = held(bed, "echo done");
    model.scriptSession(parent.id, [
      toolCall("bash", { command: `echo begun; ${command}` }),
      (request: ModelRequest) => {
        assert.match(request.toolResults.at(-1) ?? "", STILL_RUNS);
        assert.match(request.userTexts.at(-1) ?? "", /how far are you/u);
        return text("it builds");
      },
      text("noted"),
    ]);
    await host.prompt(parent.id, "build it");
    await seen(bed, parent.id, "begun");
    await host.run(parent.id, "how far are you?");
    go();
    assert.match(await noticeTo(bed, parent.id), /status="completed"[^]*\| done$/mu);
  });

  bed.test("is seen growing until its answer, which nothing comes behind", async () => {
    const { host, model } = bed;
    const parent = await host.createSession({ title: "live" });
    const [first, second] = [held(bed, "echo two"), held(bed, "echo three")];
    model.scriptSession(parent.id, [
      toolCall("bash", { command: `echo one; ${first.command}; ${second.command}` }),
      text("seen"),
    ]);
    const userID = await host.prompt(parent.id, "run it");
    await seen(bed, parent.id, "one\\n");
    first.go();
    await seen(bed, parent.id, "one\\ntwo\\n");
    second.go();
    await host.waitRunEnd(parent.id, userID);
    const [call] = await calls(bed, parent.id);
    assert.ok(call?.state.status === "completed");
    assert.equal(call.state.output, "one\ntwo\nthree\n");
    assert.deepEqual(call.state.metadata, {
      output: "one\ntwo\nthree\n",
      exit: 0,
      truncated: false,
    });
  });

  bed.test(
    "ESC before it is moved ends it with all its descendants, and keeps its output",
    async () => {
      const { host, model } = bed;
      const parent = await host.createSession({ title: "esc" });
      const command = "trap '' TERM; setsid sleep 307 & echo begun; sleep 308";
      model.scriptSession(parent.id, [toolCall("bash", { command }), text("never said")]);
      const userID = await host.prompt(parent.id, "run it");
      await seen(bed, parent.id, "begun");
      await host.client.session.abort({ sessionID: parent.id });
      await host.waitRunEnd(parent.id, userID);
      const [call] = await calls(bed, parent.id);
      assert.ok(call?.state.status === "completed", JSON.stringify(call?.state));
      const ended = /^begun\n\n\n<shell_metadata>\nUser aborted the command\n<\/shell_metadata>$/u;
      assert.match(call.state.output, ended);
      assert.equal(call.state.metadata["exit"], null);
      assert.deepEqual(await host.survivors(15_000, "sleep 30"), []);
      const list = await callTool(host, model, parent.id, "listBackgroundProcesses", {});
      assert.doesNotMatch(list, /proc_/u);
    },
  );

  bed.test("ESC after it was moved leaves it running", async () => {
    const { host, model } = bed;
    const parent = await host.createSession({ title: "esc later" });
    const { command, go } = held(bed, "echo done");
    model.scriptSession(parent.id, [
      toolCall("bash", { command, timeout: 500 }),
      [text("thinking "), gate("never")],
      text("noted"),
    ]);
    const userID = await host.prompt(parent.id, "run it");
    await model.waitForRequest(
      (each) => each.conversation === parent.id && STILL_RUNS.test(each.toolResults.join()),
    );
    await host.client.session.abort({ sessionID: parent.id });
    await host.waitRunEnd(parent.id, userID);
    const id = firstJob(bed, parent.id);
    go();
    const processId = id;
    const wait = { processId, wait: 60 };
    const read = await callTool(host, model, parent.id, "getBackgroundProcess", wait);
    assert.match(read, /completed[^]*\| done$/u);
  });

  for (const how of ["", "nohup ", "setsid "])
    bed.test(
      `what it leaves running with ${how}& is a process of that name, and is told`,
      async () => {
        const { host, model } = bed;
        const parent = await host.createSession({ title: `left ${how}` });
        // It is named by what it is when the shell ends: not by the program before it.
        const isUp = 'until [ "$(cat /proc/$!/comm)" = sleep ]; do :; done';
        model.scriptSession(parent.id, [
          toolCall("bash", { command: `${how}sleep 309 & ${isUp}; echo started` }),
          text("it runs"),
          text("noted"),
        ]);
        await host.run(parent.id, "start it");
        const answer = answerTo(bed, parent.id);
        assert.match(
          answer,
          /^started\n[^]*left running \(sleep 309\) goes on in the background as proc_/u,
        );
        const processId = firstJob(bed, parent.id);
        const list = await callTool(host, model, parent.id, "listBackgroundProcesses", {});
        assert.match(list, new RegExp(`${processId} running.*sleep 309`, "u"));
        const killed = await callTool(host, model, parent.id, "killProcesses", { processId });
        assert.match(killed, /cancelled_by_agent[^]*no process of it is left/u);
        assert.deepEqual(await host.survivors(0, "sleep 309"), []);
      },
    );

  bed.test("ten at once are each told once", async () => {
    const { host, model } = bed;
    const parent = await host.createSession({ title: "ten" });
    const ten = Array.from({ length: 10 }, (_, n) => held(bed, `echo end ${n}`));
    model.scriptSession(parent.id, [
      ten.map(({ command }) => toolCall("bash", { command, timeout: 1_000 })),
      text("ten run"),
      ...Array.from({ length: 11 }, () => text("noted")),
    ]);
    await host.run(parent.id, "run ten");
    const ids = jobIds(bed, parent.id);
    assert.equal(ids.length, 10);
    for (const { go } of ten) go();
    await Promise.all(ids.map((id) => noticeTo(bed, parent.id, new RegExp(`id="${id}"`, "u"))));
    await host.waitIdle(parent.id);
    for (const id of ids) assert.equal(timesTold(bed, parent.id, id), 1);
  });

  bed.test(
    "of a subagent: its run is over only when the command is, and what it says then counts",
    async () => {
      const { host, model } = bed;
      const parent = await host.createSession({ title: "subagent" });
      const { command, go } = held(bed, "echo result of the build");
      const task = "build it in the background";
      model.script(task, [
        toolCall("bash", { command, timeout: 1_000 }),
        (request: ModelRequest) => {
          const wait = /getBackgroundProcess \{"processId":"proc_\w{10}","wait":600\}/u;
          assert.match(request.toolResults.at(-1) ?? "", wait);
          return text("I do not wait");
        },
        (request: ModelRequest) => {
          assert.match(request.userTexts.at(-1) ?? "", /result of the build/u);
          return text("the build is done");
        },
      ]);
      model.scriptSession(parent.id, [launch(task), text("started"), text("noted")]);
      await host.run(parent.id, "let it be built");
      const child = await childOf(bed, parent.id);
      await model.waitForRequest(
        (each) => each.conversation === child && each.toolResults.length > 0,
      );
      await host.waitIdle(child);
      const running = await callTool(host, model, parent.id, "listBackgroundTasks", {});
      assert.match(running, /^bg_\w{10} running/mu);
      go();
      const notice = await noticeTo(bed, parent.id);
      assert.match(notice, /kind="subagent" status="completed"[^]*\| the build is done/u);
      assert.doesNotMatch(notice, /\| I do not wait/u);
    },
  );

  bed.test(
    "of a child of the host's own task: it is moved only where the host would end it",
    async () => {
      const { host, model } = bed;
      const parent = await host.createSession({ title: "task" });
      const { command, go } = held(bed, "echo done");
      const prompt = "run it in the task of the host";
      const wait = ({ toolResults }: ModelRequest) => {
        const processId = /proc_\w{10}/u.exec(toolResults.at(-1) ?? "")?.[0];
        return toolCall("getBackgroundProcess", { processId, wait: 120 });
      };
      model.script(prompt, [
        toolCall("bash", { command, timeout: 1_000 }),
        wait,
        (request: ModelRequest) => text(request.toolResults.at(-1) ?? ""),
      ]);
      const given = { description: "run it", prompt, subagent_type: "general" };
      model.scriptSession(parent.id, [toolCall("task", given), text("seen")]);
      const userID = await host.prompt(parent.id, "use a task");
      const child = await childOf(bed, parent.id);
      await model.waitForRequest(
        (each) => each.conversation === child && each.toolResults.length > 0,
      );
      go();
      await host.waitRunEnd(parent.id, userID);
      assert.match(answerTo(bed, parent.id), /completed[^]*\| done/u);
    },
  );

  bed.test("in opencode run nothing is moved: the host's own limits hold", async () => {
    const { model } = bed;
    const said = "run something long and end";
    model.script(said, [
      toolCall("bash", { command: "echo begun; sleep 310", timeout: 500 }),
      text("seen"),
    ]);
    const { marker, ended } = startRun(bed, said);
    assert.equal(await ended, 0);
    const last = model.turns().findLast(({ allText }) => allText.includes(said));
    assert.match(
      last?.toolResults.at(-1) ?? "",
      /^begun\n[^]*terminated command after exceeding timeout 500 ms/u,
    );
    assert.deepEqual(await survivorsAfter(marker, 15_000), []);
  });

  for (const moment of casesOf(MOMENTS, 3)) {
    bed.test(`a host that is killed takes along what ${moment}`, async () => {
      const { host, model } = bed;
      const parent = await host.createSession({ title: moment });
      const silent = "trap '' TERM; (setsid sleep 311 &) ; : > is-up; sleep 312";
      const stubborn = "trap '' TERM; (setsid sleep 311 &) ; echo up; sleep 312";
      const commands: Partial<Record<typeof moment, string>> = {
        "has printed nothing": silent,
        prints: "trap '' TERM; (setsid sleep 311 &) ; while :; do echo up; done",
        "was left": "sleep 313 & (setsid sleep 314 &) ; echo up",
      };
      const command = commands[moment] ?? stubborn;
      const timeout = moment === "was moved" ? { timeout: 1_500 } : {};
      model.scriptSession(parent.id, [
        toolCall("bash", { command, ...timeout }),
        [text("started "), gate("never")],
      ]);
      const isUp = appears(host.project, "is-up");
      await host.prompt(parent.id, "start it");
      if (moment === "is called") {
        await host.waitFor(
          "message.part.updated",
          ({ part }) =>
            part.sessionID === parent.id && part.type === "tool" && part.state.status === "running",
        );
      } else if (moment === "has printed nothing") await isUp.seen;
      else if (moment.startsWith("was "))
        await model.waitForRequest(
          (each) => each.conversation === parent.id && /proc_\w{10}/u.test(each.toolResults.join()),
        );
      else await seen(bed, parent.id, "up\\n");
      if (moment === "is being moved") await host.prompt(parent.id, "how far are you?");
      if (moment === "is being ended by ESC")
        await host.client.session.abort({ sessionID: parent.id });
      await host.stop("SIGKILL");
      isUp.close();
      assert.deepEqual(await host.survivors(15_000), []);
      await host.start();
    });
  }
});

describe("bash in the host's place and the user's permission", () => {
  const strict = useProject({
    pluginOptions: CONTINUE,
    config: { permission: { bash: { "*": "deny", "echo *": "allow", "rm *": "ask" } } },
  });

  strict.test("runs what is allowed and nothing that hides in it", async () => {
    const { host, model } = strict;
    const parent = await host.createSession({ title: "rules" });
    const ask = (command: string) => callTool(host, model, parent.id, "bash", { command });
    assert.equal(await ask("echo fine && echo two"), "fine\ntwo\n");
    for (const command of [
      "echo ok; touch hidden-1",
      "echo $(touch hidden-2)",
      "eval touch hidden-3",
    ])
      assert.match(await ask(command), /[Pp]ermission|prevents you/u);
    assert.equal(await ask("echo hidden*"), "hidden*\n");
  });

  strict.test(
    "a question that its user rejects ends the turn, as with the host's own",
    async () => {
      const { host, model } = strict;
      const parent = await host.createSession({ title: "rejects" });
      model.scriptSession(parent.id, [
        toolCall("bash", { command: "rm nothing" }),
        text("never said"),
      ]);
      const userID = await host.prompt(parent.id, "remove it");
      const { properties } = await host.waitFor(
        "permission.asked",
        (it) => it.sessionID === parent.id,
      );
      assert.deepEqual(properties.patterns, ["rm nothing"]);
      assert.deepEqual(properties.always, ["rm *"]);
      await host.answerPermission(properties.id, "reject");
      await host.waitRunEnd(parent.id, userID);
      const [call] = await calls(strict, parent.id);
      assert.ok(call?.state.status === "error");
      assert.match(call.state.error, /rejected permission/u);
      assert.equal(model.turns(parent.id).length, 1);
    },
  );
});

describe("the host's own bash", () => {
  const bed = useProject();

  bed.test(
    "names createBackgroundProcess when a command ends in &, and nothing else changes",
    async () => {
      const { host, model } = bed;
      const parent = await host.createSession({ title: "hint" });
      const ask = (command: string) => callTool(host, model, parent.id, "bash", { command });
      assert.equal(await ask("echo plain"), "plain\n");
      assert.match(await ask("true &"), /createBackgroundProcess/u);
    },
  );
});
