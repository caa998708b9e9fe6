/**
 * From a child's last word to its parent's next model request: our notice, with the merge window taken off, beside
 * the host's own background task, turn about on one server. Then the course of ours: what passes before the plugin is
 * told of the child's end, what the host takes to answer the plugin's requests, what is the plugin's own, and what
 * passes between the plugin's prompt and the parent's model request.
 *
 * Run: npm run build && node --import tsx test/bench/notice-delay.ts [rounds]
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { PACKAGE_ROOT, startHost, type Host } from "../../fixtures/host/index.js";
import { gate, ScriptedModel, text, toolCall, type Step } from "../../fixtures/model/index.js";
import { median } from "./median.js";
import { result } from "./result.js";

const ROUNDS = Number(process.argv[2] ?? 15);
/** Milliseconds of the plugin's own between a child's end and the prompt to its parent. */
const OWN_GOAL = 10;

const folder = mkdtempSync(join(tmpdir(), "ocbm-bench-"));
const times = join(folder, "times.jsonl");
const plugin = join(PACKAGE_ROOT, "fixtures/plugins/timed.js");
const model = await ScriptedModel.start();
const host = await startHost({
  model,
  plugins: [[plugin, { file: times, mergeMilliseconds: 0, toasts: false }]],
  env: { OPENCODE_EXPERIMENTAL_BACKGROUND_SUBAGENTS: "true" },
});

/** One notice: milliseconds since the epoch. */
interface Delay {
  parent: string;
  child: string;
  end: number;
  request: number;
}

try {
  const ours: Delay[] = [];
  const theirs: Delay[] = [];
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
  const took = (delays: Delay[]) => median(delays.map(({ end, request }) => request - end));
  const [a, b] = [took(ours), took(theirs)];
  result({
    bench: "notice-delay",
    case: "child's end to parent's request, beside the host's own",
    ours: a,
    other: b,
    unit: "ms",
    ratio: a / b,
    note: `merge window off, median of ${ROUNDS}`,
  });
  const courses = ours.map(courseOf);
  const part = (name: keyof Course) => median(courses.map((course) => course[name]));
  const own = part("own");
  const parts = [
    `before the plugin hears of the end ${part("before").toFixed(1)}`,
    `the host's answers to the plugin ${part("answers").toFixed(1)}`,
    `from its prompt to the request ${part("after").toFixed(1)}`,
  ];
  result({
    bench: "notice-delay",
    case: "of it the plugin's own",
    ours: own,
    other: OWN_GOAL,
    unit: "ms",
    ratio: own / OWN_GOAL,
    goal: `at most ${OWN_GOAL} ms`,
    note: `the rest is the host's, medians in ms: ${parts.join(", ")}`,
  });
} finally {
  await host.dispose();
  await model.close();
  rmSync(folder, { recursive: true });
}

async function measure(on: Host, name: string, launch: (prompt: string) => Step): Promise<Delay> {
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
  return { parent: parent.id, child: child.conversation, end, request: request.at };
}

interface Course {
  before: number;
  answers: number;
  own: number;
  after: number;
}

/** What `fixtures/plugins/timed.js` has noted of one notice. */
function courseOf({ parent, child, end, request }: Delay): Course {
  const entry = z.discriminatedUnion("type", [
    z.object({ type: z.literal("idle"), sessionID: z.string(), at: z.number() }),
    z.object({ type: z.literal("request"), url: z.string(), from: z.number(), to: z.number() }),
  ]);
  const lines = readFileSync(times, "utf8").trimEnd().split("\n");
  const entries = lines.map((line) => entry.parse(JSON.parse(line)));
  const heard = entries.find((each) => each.type === "idle" && each.sessionID === child);
  const requests = entries.flatMap((each) => (each.type === "request" ? each : []));
  const begin = heard?.type === "idle" ? heard.at : Number.NaN;
  const prompt = requests.find(
    ({ url, from }) => from > begin && url === `/session/${parent}/prompt_async`,
  );
  if (!prompt) throw new Error(`no prompt to ${parent} was noted after the end of ${child}`);
  const answers = coveredBy(requests.filter(({ from, to }) => from >= begin && to <= prompt.from));
  return {
    before: begin - end,
    answers,
    own: prompt.from - begin - answers,
    after: request - prompt.from,
  };
}

/** How long at least one of them was under way. */
function coveredBy(spans: readonly { from: number; to: number }[]): number {
  let covered = 0;
  let until = Number.NEGATIVE_INFINITY;
  for (const { from, to } of spans.toSorted((a, b) => a.from - b.from)) {
    covered += Math.max(0, to - Math.max(from, until));
    until = Math.max(until, to);
  }
  return covered;
}
