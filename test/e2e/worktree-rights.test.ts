/** What a subagent in a worktree may do: no more than its parent, and its own folder is its project. */
import assert from "node:assert/strict";
import { describe } from "node:test";
import { callTool } from "../../fixtures/host/index.js";
import { gate, text, toolCall } from "../../fixtures/model/index.js";
import { firstJob, launch, noticeTo } from "./support.js";
import { shareServer, useProject, type Bed } from "./use-host.js";

shareServer();

function command(line: string) {
  return toolCall("bash", { command: line, description: "a command" });
}

function inBackground(line: string, cwd?: string) {
  const place = cwd === undefined ? {} : { cwd };
  return toolCall("createBackgroundProcess", { command: line, readyPattern: "here", ...place });
}

/** Everything that the session's model was answered by tools. */
function answersTo({ model }: Bed, sessionID: string): string {
  const last = model.turns(sessionID).at(-1);
  return last?.toolResults.join("\n---\n") ?? "";
}

describe("with external_directory denied", () => {
  const bed = useProject({ config: { permission: { external_directory: "deny" } } });

  bed.test("a subagent works in its worktree and reaches nothing outside of it", async () => {
    const { host, model } = bed;
    const parent = await host.createSession({ title: "denied" });
    model.script("child: denied", [
      command("echo inside > inside.txt && cat inside.txt"),
      inBackground("echo here; pwd"),
      command(`ls ${host.project}/; cat ${host.project}/README.md`),
      inBackground("echo here", host.project),
      inBackground(`echo here; cat ${host.project}/README.md`),
      [gate("denied"), text("tried")],
    ]);
    model.scriptSession(parent.id, [
      launch("child: denied", { worktree: true }),
      text("started"),
      { forever: text("noted") },
    ]);
    await host.run(parent.id, "go");
    const id = firstJob(bed, parent.id);
    model.open("denied");
    await noticeTo(bed, parent.id, new RegExp(`id="${id}"`, "u"));
    const [child] = await host.children(parent.id);
    const answers = answersTo(bed, child?.id ?? "").split("\n---\n");
    assert.match(answers[0] ?? "", /^inside/u);
    assert.match(answers[1] ?? "", /^proc_\w+ /u);
    for (const refused of answers.slice(2)) assert.match(refused, /rule|denied/iu);
    assert.equal(answers.length, 5, answers.join("\n"));
  });
});

describe("with subagents of subagents", () => {
  const bed = useProject({
    pluginOptions: { maxDepth: 2, maxTasksPerSession: 2 },
    config: { permission: { external_directory: "ask" } },
  });

  bed.test("they work in the same worktree, and are counted with all others", async () => {
    const { host, model } = bed;
    const parent = await host.createSession({ title: "nested" });
    model.script("grandchild", [
      command("pwd > from-below.txt; cat from-below.txt"),
      text("below"),
    ]);
    model.script("child: nested", [
      launch("grandchild"),
      launch("one too many"),
      text("waiting"),
      [gate("nested"), text("all done")],
    ]);
    model.scriptSession(parent.id, [
      launch("child: nested", { worktree: true }),
      text("started"),
      { forever: text("noted") },
    ]);
    await host.run(parent.id, "go");
    model.open("nested");
    const notice = await noticeTo(bed, parent.id, /all done/u);
    const [child] = await host.children(parent.id);
    const [grandchild] = await host.children(child?.id ?? "");
    assert.ok(child && grandchild);
    assert.equal(grandchild.directory, child.directory);
    assert.notEqual(child.directory, host.project);
    assert.ok(answersTo(bed, grandchild.id).includes(child.directory));
    assert.match(answersTo(bed, child.id), /maxTasksPerSession is 2/u);
    assert.match(notice, /^1 commit, 1 file changed/mu);
  });

  bed.test("a question of one is told, listed and ended with it", async () => {
    const { host, model } = bed;
    const parent = await host.createSession({ title: "asks" });
    model.script("child: asks", [inBackground("echo here", host.project), text("was allowed")]);
    model.scriptSession(parent.id, [
      launch("child: asks", { worktree: true }),
      text("started"),
      { forever: text("noted") },
    ]);
    await host.run(parent.id, "go");
    const id = firstJob(bed, parent.id);
    await noticeTo(bed, parent.id, /it waits for the user[^]*external_directory/u);
    const list = await callTool(host, model, parent.id, "listBackgroundTasks", {});
    assert.match(
      list,
      new RegExp(`^${id} running .*waits for permission: external_directory`, "mu"),
    );
    const [child] = await host.children(parent.id);
    const directory = child?.directory ?? "";
    const { data: asked = [] } = await host.client.permission.list({ directory });
    const [question] = asked.filter(({ sessionID }) => sessionID === child?.id);
    assert.ok(question);
    await callTool(host, model, parent.id, "cancelBackgroundTasks", { taskId: id });
    const { data: left = [] } = await host.client.permission.list({ directory });
    assert.deepEqual(left, []);
  });
});

describe("with questions rejected by option", () => {
  const bed = useProject({
    pluginOptions: { permissionInBackground: "reject" },
    config: { permission: { external_directory: "ask" } },
  });

  bed.test("one that is asked in a worktree is rejected there, with the reason", async () => {
    const { host, model } = bed;
    const parent = await host.createSession({ title: "rejected" });
    model.script("child: rejected", [
      inBackground("echo here", host.project),
      text("went on without"),
    ]);
    model.scriptSession(parent.id, [
      launch("child: rejected", { worktree: true }),
      text("started"),
      { forever: text("noted") },
    ]);
    await host.run(parent.id, "go");
    await noticeTo(bed, parent.id, /went on without/u);
    const [child] = await host.children(parent.id);
    assert.notEqual(child?.directory, host.project);
    assert.match(answersTo(bed, child?.id ?? ""), /nobody answers permission questions/u);
  });
});

describe("with a question that someone else answers", () => {
  const bed = useProject({ config: { permission: { external_directory: "ask" } } });

  // What a program beside OpenCode can do. By its id alone the host does not find it from the project's directory.
  for (const way of ["by its directory", "by its session"] as const) {
    bed.test(`one that is asked in a worktree is answered ${way}`, async () => {
      const { host, model } = bed;
      const parent = await host.createSession({ title: way });
      model.script(`child: ${way}`, [
        inBackground("echo here", host.project),
        { forever: text("was allowed") },
      ]);
      model.scriptSession(parent.id, [
        launch(`child: ${way}`, { worktree: true }),
        text("started"),
        { forever: text("noted") },
      ]);
      await host.run(parent.id, "go");
      await noticeTo(bed, parent.id, /it waits for the user/u);
      const [child] = await host.children(parent.id);
      assert.ok(child);
      const { directory, id: sessionID } = child;
      const { data: asked = [] } = await host.client.permission.list({ directory });
      const { id: requestID } = asked.find((each) => each.sessionID === sessionID) ?? assert.fail();
      const reply = "once";
      const { response } = await host.client.permission.reply({ requestID, reply });
      assert.equal(response?.status, 404);
      const { error } =
        way === "by its directory"
          ? await host.client.permission.reply({ requestID, directory, reply })
          : await host.client.permission.respond({
              sessionID,
              permissionID: requestID,
              response: reply,
            });
      assert.equal(error, undefined);
      await noticeTo(bed, parent.id, /was allowed/u);
      assert.match(answersTo(bed, sessionID), /^proc_\w+ /u);
    });
  }
});

describe("in plan mode", () => {
  const bed = useProject({
    config: { agent: { worker: { mode: "subagent", description: "works" } } },
  });

  bed.test(
    "the subagent may not edit, and one that can do nothing is given no worktree",
    async () => {
      const { host, model } = bed;
      const parent = await host.createSession({ title: "plan" });
      const write = toolCall("write", { filePath: "planned.txt", content: "no" });
      model.script("child: plan", [write, text("tried")]);
      model.scriptSession(parent.id, [
        launch("child: plan", { worktree: true, agent: "worker" }),
        text("started"),
        { forever: text("noted") },
      ]);
      await host.run(parent.id, "go", { agent: "plan" });
      const notice = await noticeTo(bed, parent.id, /\| tried/u);
      assert.match(notice, /no commits beyond/u);
      const [child] = await host.children(parent.id);
      const tools =
        model.turns(child?.id ?? "")[0]?.tools.map(({ function: { name } }) => name) ?? [];
      assert.ok(!tools.includes("write") && !tools.includes("edit"), tools.join(", "));
    },
  );
});

describe("an agent that only reads", () => {
  const bed = useProject({
    config: {
      agent: {
        reader: {
          mode: "subagent",
          description: "reads",
          permission: { edit: "deny", bash: "deny" },
        },
      },
    },
  });

  bed.test("is started without a worktree, and the answer says so", async () => {
    const { host, model } = bed;
    const parent = await host.createSession({ title: "reader" });
    model.script("child: reader", [text("read")]);
    const answer = await callTool(host, model, parent.id, "createBackgroundTask", {
      description: "read",
      prompt: "child: reader",
      agent: "reader",
      worktree: true,
    });
    assert.match(answer, /Started without a worktree: agent reader can neither edit nor run/u);
    const [child] = await host.children(parent.id);
    assert.equal(child?.directory, host.project);
  });
});
