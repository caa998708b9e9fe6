/** What a parent's user does beside its notices, on a real host: stops it, works in its shell, undoes. */
import assert from "node:assert/strict";
import { describe } from "node:test";
import { forever, gate, httpError, text, toolCall } from "../../fixtures/model/index.js";
import { firstJob, jobIds, launch, noticeTo, timesTold } from "./support.js";
import { useHost } from "./use-host.js";

describe("notices to a parent whose user", () => {
  const bed = useHost({ env: { OPENCODE_EXPERIMENTAL_PLAN_MODE: "1" } });

  for (const when of ["while it works", "with another message queued", "between two tries"]) {
    const name = `child after esc ${when}`;
    bed.test(
      `after ESC ${when} nothing restarts the parent; the user's next message takes all along`,
      async () => {
        const { host, model } = bed;
        const parent = await host.createSession({ title: name });
        model.scriptEvery(name, [[gate(name), text("late result")]]);
        model.scriptSession(parent.id, [
          [launch(`${name} 1`), launch(`${name} 2 with other words`)],
          when === "between two tries" ? httpError(500) : [text("working "), gate("never")],
          text("I saw both."),
        ]);
        await host.prompt(parent.id, "start two and work");
        if (when === "between two tries") {
          await host.waitFor(
            "session.status",
            ({ sessionID, status }) => sessionID === parent.id && status.type === "retry",
          );
        } else {
          await host.waitFor(
            "message.part.delta",
            ({ sessionID, delta }) => sessionID === parent.id && delta === "working ",
          );
        }
        if (when === "with another message queued") await host.prompt(parent.id, "one more thing");
        await host.abort(parent.id);
        await host.waitIdle(parent.id);
        const ids = jobIds(bed, parent.id);
        const before = model.turns(parent.id).length;
        model.open(name);
        for (const child of await host.children(parent.id)) await host.waitIdle(child.id);
        // A job that ends later and is told elsewhere shows that these would have been told by now.
        const other = await host.createSession({ title: `beside ${name}` });
        model.script(`${name} elsewhere`, [text("done")]);
        model.scriptSession(other.id, [launch(`${name} elsewhere`), forever(text("noted"))]);
        await host.prompt(other.id, "start it");
        await noticeTo(bed, other.id);
        assert.equal(model.turns(parent.id).length, before);
        const user = await host.prompt(parent.id, "and now?");
        const request = await model.waitForRequest(
          (each) =>
            each.conversation === parent.id && each.index >= 0 && each.allText.includes("and now?"),
        );
        for (const id of ids) assert.ok(request.allText.includes(`<background_job id="${id}"`));
        const answer = await host.waitAnswered(parent.id, user);
        assert.equal(answer.parentID, user);
        assert.equal(model.turns(parent.id).length, before + 1);
      },
    );
  }

  bed.test("a shell command of the user's is no ESC: the parent is woken after it", async () => {
    const { host, model } = bed;
    const parent = await host.createSession({ title: "shell" });
    model.script("child beside a shell", [[gate("shell"), text("child is done")]]);
    model.scriptSession(parent.id, [launch("child beside a shell"), text("on it"), text("noted")]);
    await host.run(parent.id, "start one");
    const from = host.events.cursor;
    const command = { sessionID: parent.id, agent: "build", command: "echo typed" };
    await host.client.session.shell(command, { throwOnError: true });
    await host.waitIdle(parent.id, { from });
    model.open("shell");
    assert.match(await noticeTo(bed, parent.id), /child is done/u);
  });

  bed.test("what rode with a message that the user undoes rides with the next one", async () => {
    const { host, model } = bed;
    const parent = await host.createSession({ title: "undone" });
    const name = "child told by an undone message";
    model.script(name, [[gate(name), text("child is done")]]);
    const said = (delta: string) =>
      host.waitFor(
        "message.part.delta",
        (each) => each.sessionID === parent.id && each.delta === delta,
      );
    model.scriptSession(parent.id, [
      launch(name),
      [text("working"), gate("never")],
      [text("misled"), gate("never")],
      text("fine"),
    ]);
    await host.prompt(parent.id, "start one and work");
    await said("working");
    await host.abort(parent.id);
    await host.waitIdle(parent.id);
    model.open(name);
    await host.waitFor("tui.toast.show", ({ message }) => message.includes(name));
    const undone = await host.prompt(parent.id, "typed wrogn");
    await said("misled");
    assert.equal(timesTold(bed, parent.id, firstJob(bed, parent.id)), 1);
    await host.abort(parent.id);
    await host.waitIdle(parent.id);
    await host.client.session.revert(
      { sessionID: parent.id, messageID: undone },
      { throwOnError: true },
    );
    await host.run(parent.id, "typed right");
    const request = model.turns(parent.id).at(-1);
    assert.ok(request?.allText.includes("typed right") && !request.allText.includes("wrogn"));
    assert.equal(timesTold(bed, parent.id, firstJob(bed, parent.id)), 1);
  });

  bed.test("is shown a plugin's message for the screen alone: it is no user's word", async () => {
    const { host, model } = bed;
    const parent = await host.createSession({ title: "screen only" });
    const name = "child beside a plugin";
    model.script(`${name} 1`, [[gate(`${name} 1`), text("first is done")]]);
    model.script(`${name} 2`, [[gate(`${name} 2`), text("second is done")]]);
    model.scriptSession(parent.id, [
      [launch(`${name} 1`, { agent: "explore" }), launch(`${name} 2`, { agent: "explore" })],
      text("planned"),
      [text("working"), gate("never")],
      forever(text("noted")),
    ]);
    const showsScreen = () =>
      host.client.session.prompt(
        {
          sessionID: parent.id,
          noReply: true,
          parts: [{ type: "text", text: "context pruned", ignored: true }],
        },
        { throwOnError: true },
      );
    const user = await host.prompt(parent.id, "make a plan", { agent: "plan" });
    await host.waitRunEnd(parent.id, user);
    await showsScreen();
    model.open(`${name} 1`);
    await host.waitFor(
      "message.part.delta",
      ({ sessionID, delta }) => sessionID === parent.id && delta === "working",
    );
    const told = (await host.userMessages(parent.id)).at(-1);
    assert.equal(told?.agent, "plan", "the user is still in plan");
    // ESC, and again a message for the screen: it lifts no stop and carries nothing.
    await host.abort(parent.id);
    await host.waitIdle(parent.id);
    const turns = model.turns(parent.id).length;
    model.open(`${name} 2`);
    await host.waitFor("tui.toast.show", ({ message }) => message.includes(`${name} 2`));
    await showsScreen();
    const messages = await host.messages(parent.id);
    assert.equal(messages.at(-1)?.parts.length, 1, "nothing is attached to it");
    await host.prompt(parent.id, "now the plan", { agent: "plan" });
    const request = await model.waitForRequest(
      (each) => each.conversation === parent.id && each.allText.includes("now the plan"),
    );
    assert.equal(model.turns(parent.id).length, turns + 1);
    assert.match(request.allText, /second is done/u);
  });

  bed.test("archives it: it is not woken; its next message takes all along", async () => {
    const { host, model } = bed;
    const parent = await host.createSession({ title: "archived" });
    const name = "child of an archived session";
    model.script(name, [[gate(name), text("child is done")]]);
    model.scriptSession(parent.id, [launch(name), text("started"), forever(text("noted"))]);
    await host.run(parent.id, "start one");
    await host.client.session.update(
      { sessionID: parent.id, time: { archived: Date.now() } },
      { throwOnError: true },
    );
    model.open(name);
    await host.waitFor("tui.toast.show", ({ message }) => message.includes(name));
    // One that ends later and is told elsewhere shows that this one would have been told by now.
    const other = await host.createSession({ title: `beside ${name}` });
    model.script(`${name} elsewhere`, [text("done")]);
    model.scriptSession(other.id, [launch(`${name} elsewhere`), forever(text("noted"))]);
    await host.prompt(other.id, "start it");
    await noticeTo(bed, other.id);
    assert.equal(timesTold(bed, parent.id, firstJob(bed, parent.id)), 0);
    await host.run(parent.id, "and now?");
    assert.equal(timesTold(bed, parent.id, firstJob(bed, parent.id)), 1);
  });

  bed.test("lets it leave its plan: the notice comes to the agent that builds", async () => {
    const { host, model } = bed;
    const parent = await host.createSession({ title: "planned" });
    model.script("child of a plan", [[gate("plan"), text("child is done")]]);
    model.scriptSession(parent.id, [
      launch("child of a plan", { agent: "explore" }),
      toolCall("plan_exit", {}),
      text("building"),
      text("noted"),
    ]);
    const user = await host.prompt(parent.id, "make a plan", { agent: "plan" });
    const asked = await host.waitFor("question.asked", ({ sessionID }) => sessionID === parent.id);
    const requestID = asked.properties.id;
    await host.client.question.reply({ requestID, answers: [["Yes"]] }, { throwOnError: true });
    await host.waitRunEnd(parent.id, user);
    model.open("plan");
    await noticeTo(bed, parent.id);
    const agents = (await host.userMessages(parent.id)).map(({ agent }) => agent);
    assert.deepEqual(agents, ["plan", "build", "build"]);
  });
});
