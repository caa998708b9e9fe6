/**
 * From a child's last word to its parent's next model request: our notice, with the merge window taken off, beside
 * the host's own background task, turn about on one server. Prints medians and their ratio.
 *
 * Run: npm run build && node --import tsx test/bench/notice-delay.ts [rounds]
 */
import { startHost, type Host } from "../../fixtures/host/index.js";
import { gate, ScriptedModel, text, toolCall, type Step } from "../../fixtures/model/index.js";
import { median } from "./median.js";
import { result } from "./result.js";

const ROUNDS = Number(process.argv[2] ?? 15);

const model = await ScriptedModel.start();
const host = await startHost({
  model,
  pluginOptions: { mergeMilliseconds: 0, toasts: false },
  env: { OPENCODE_EXPERIMENTAL_BACKGROUND_SUBAGENTS: "true" },
});
try {
  const ours: number[] = [];
  const theirs: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const name = `bench ${round}`;
    ours.push(
      await measure(host, `${name} ours`, (prompt) =>
        toolCall("createBackgroundTask", { description: "x", prompt, agent: "general" }),
      ),
    );
    theirs.push(
      await measure(host, `${name} theirs`, (prompt) =>
        toolCall("task", { description: "x", prompt, subagent_type: "general", background: true }),
      ),
    );
  }
  const [a, b] = [median(ours), median(theirs)];
  console.log(
    `child's end to parent's request, median of ${ROUNDS}: ours ${a} ms, the host's own ${b} ms, ratio ${(a / b).toFixed(2)}`,
  );
  result({
    bench: "notice-delay",
    case: "child's end to parent's request, beside the host's own",
    ours: a,
    other: b,
    unit: "ms",
    ratio: a / b,
    note: `merge window off, median of ${ROUNDS}`,
  });
} finally {
  await host.dispose();
  await model.close();
}

async function measure(on: Host, name: string, launch: (prompt: string) => Step): Promise<number> {
  const parent = await on.createSession({ title: name });
  model.script(`child of ${name}.`, [[gate(name), text("done")]]);
  model.scriptSession(parent.id, [launch(`child of ${name}.`), text("started"), text("noted")]);
  await on.run(parent.id, "start it");
  const child = await model.waitForRequest((each) =>
    each.firstUserText.includes(`child of ${name}.`),
  );
  const from = model.cursor;
  model.open(name);
  await child.ended;
  const end = Date.now();
  const request = await model.waitForRequest((each) => each.conversation === parent.id, { from });
  await on.waitIdle(parent.id, { from: on.events.cursor - 1 });
  return request.at - end;
}
