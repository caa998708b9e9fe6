/** What the plugin is to a real host before anybody uses it: its options, and what it adds to the model's request. */
import assert from "node:assert/strict";
import { describe } from "node:test";
import { callTool } from "../../fixtures/host/index.js";
import { gate, text, type ModelRequest } from "../../fixtures/model/index.js";
import { launch, noticeStored, noticeTo } from "./support.js";
import { shareServer, useHost, useProject, type Bed } from "./use-host.js";

shareServer();

describe("wrong options", () => {
  const bed = useHost({
    pluginOptions: { maxDepth: 99, maxProceses: 3, keepDays: null, maxProcesses: 1 },
  });

  bed.test(
    "are each one line of the log, and one toast names them all; the right ones hold",
    async () => {
      const { host, model } = bed;
      const session = await host.createSession({ title: "options" });
      const start = (command: string) =>
        callTool(host, model, session.id, "createBackgroundProcess", { command, notify: false });
      assert.match(await start("sleep 300"), /^proc_/u);
      assert.match(await start("sleep 301"), /the option maxProcesses is 1/u);
      const wrong = ["maxDepth", "maxProceses", "keepDays"];
      await host.waitFor("tui.toast.show", ({ message }) =>
        wrong.every((name) => message.includes(`option "${name}"`)),
      );
      await host.stop("SIGTERM");
      const lines = host.log.tail(2_000).split("\n");
      for (const name of wrong) {
        const found = lines.filter((line) => /level=WARN/u.test(line) && line.includes(name));
        assert.equal(found.length, 1, `${name}\n${found.join("\n")}`);
        assert.doesNotMatch(found[0] ?? "", /Invalid input/u);
        const toasts = host.events.items.filter(
          ({ event }) => event.type === "tui.toast.show" && event.properties.message.includes(name),
        );
        assert.equal(toasts.length, 1, name);
      }
    },
  );
});

describe("a request of the model", () => {
  const [withUs, without] = [useProject(), useProject({ plugins: [] })];

  withUs.test("has our nine tools more, and the same system prompt", async () => {
    const [ours, plain] = [await firstRequest(withUs), await firstRequest(without)];
    const system = (bed: Bed, request: ModelRequest) =>
      request.system.replaceAll(bed.host.project, "PROJECT");
    assert.ok(plain.system.length > 100);
    assert.equal(system(withUs, ours), system(without, plain));
    const added = ours.toolNames.filter((name) => !plain.toolNames.includes(name));
    assert.equal(added.length, 9, added.join(", "));
    assert.equal(ours.toolNames.length, plain.toolNames.length + 9);
  });

  // What a provider has cached is read at a tenth of the price: a notice is only ever added at the end.
  withUs.test("begins with all that the one before it said, whatever is told", async () => {
    const { host, model } = withUs;
    const parent = await host.createSession({ title: "cached" });
    const id = parent.id;
    model.script("child: first", [[gate("first"), text("one")]]);
    model.script("child: second", [[gate("second"), text("two")]]);
    model.scriptSession(id, [
      [launch("child: first"), launch("child: second")],
      text("started"),
      text("noted"),
      [text("a poem "), gate("write"), text("written")],
      text("noted, too"),
      text("answered"),
    ]);
    await host.run(id, "start both");
    model.open("first");
    await noticeTo(withUs, id, /^\| one$/mu);
    await host.waitIdle(id);
    await host.prompt(id, "write a poem");
    await model.waitForRequest((request) => request.allText.includes("write a poem"));
    model.open("second");
    await noticeStored(withUs, id, /^\| two$/mu);
    model.open("write");
    await noticeTo(withUs, id, /^\| two$/mu);
    await host.waitIdle(id);
    await host.run(id, "and now?");
    const turns = model.turns(id).map(({ messages }) => messages);
    assert.equal(turns.length, 6);
    for (const [index, earlier] of turns.slice(0, -1).entries()) {
      assert.deepEqual(turns[index + 1]?.slice(0, earlier.length), earlier);
    }
  });
});

async function firstRequest({ host, model }: Bed): Promise<ModelRequest> {
  const session = await host.createSession({ title: "hello" });
  model.scriptSession(session.id, [text("hello")]);
  await host.run(session.id, "hello");
  const [request] = model.turns(session.id);
  assert.ok(request);
  return request;
}
