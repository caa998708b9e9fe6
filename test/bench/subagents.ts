/**
 * What 60 subagents cost the host, five at a time, each with three tool calls: through us, through the host's own
 * background task, and through a plugin that does nothing but ask the host's API for a session, a prompt and a message
 * to the parent (`fixtures/plugins/least.js`); in turn, each in a host of its own with the plugin loaded. Processor time
 * and greatest memory of the host's process. Linux only: both are read from /proc.
 *
 * Run: npm run build && node --import tsx test/bench/subagents.ts [rounds]
 */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { BUILT_PLUGIN, PACKAGE_ROOT, startHost } from "../../fixtures/host/index.js";
import { ScriptedModel, text, toolCall, type Action } from "../../fixtures/model/index.js";
import { median } from "./median.js";
import { result } from "./result.js";

const LEAST = join(PACKAGE_ROOT, "fixtures/plugins/least.js");
const ROUNDS = Number(process.argv[2] ?? 3);
const SUBAGENTS = 60;
const AT_ONCE = 5;
const GOAL = 1.1;
const TICKS_A_SECOND = Number(execFileSync("getconf", ["CLK_TCK"], { encoding: "utf8" }));

interface Cost {
  /** Milliseconds. */
  processor: number;
  /** MB. */
  memory: number;
  requests: number;
}

/** How a subagent is started, and what that cost. */
interface Way {
  launch: (prompt: string) => Action;
  costs: Cost[];
}

const ours: Way = {
  launch: (prompt) =>
    toolCall("createBackgroundTask", { description: "x", prompt, agent: "general" }),
  costs: [],
};
const theirs: Way = {
  launch: (prompt) =>
    toolCall("task", { description: "x", prompt, subagent_type: "general", background: true }),
  costs: [],
};
const least: Way = { launch: (prompt) => toolCall("least", { prompt }), costs: [] };

for (let round = 0; round < ROUNDS; round++) {
  for (const { launch, costs } of [ours, theirs, least]) costs.push(await measure(launch));
}
compare("processor", "ms", theirs, "beside the host's own", `at most ${GOAL}`);
compare("processor", "ms", least, "beside the least of a plugin");
compare("memory", "MB", theirs, "beside the host's own", `at most ${GOAL}`);

function compare(
  what: "processor" | "memory",
  unit: string,
  other: Way,
  beside: string,
  goal?: string,
): void {
  const of = ({ costs }: Way, name: keyof Cost) => median(costs.map((cost) => cost[name]));
  const [a, b] = [of(ours, what), of(other, what)];
  result({
    bench: "subagents",
    case: `${what} of the host for ${SUBAGENTS} subagents, ${AT_ONCE} at a time, ${beside}`,
    ours: a,
    other: b,
    unit,
    ratio: a / b,
    ...(goal && { goal }),
    note: `median of ${ROUNDS}; model requests ${of(ours, "requests")} and ${of(other, "requests")}`,
  });
}

async function measure(launch: (prompt: string) => Action): Promise<Cost> {
  const model = await ScriptedModel.start();
  const host = await startHost({
    model,
    plugins: [[BUILT_PLUGIN, { toasts: false }], LEAST],
    env: { OPENCODE_EXPERIMENTAL_BACKGROUND_SUBAGENTS: "true" },
  });
  try {
    let launched = 0;
    let ended = 0;
    const look = toolCall("glob", { pattern: "*.json" });
    const last = () => {
      ended += 1;
      return text(`The answer of one of ${SUBAGENTS}.`);
    };
    model.scriptEvery("one of many", [look, look, look, last]);
    const parent = await host.createSession({ title: "many" });
    const next = () => {
      if (ended < launched || launched === SUBAGENTS) return text("noted");
      const calls = Array.from({ length: AT_ONCE }, () => launch(`one of many: ${++launched}`));
      return calls;
    };
    model.scriptSession(parent.id, [{ forever: next }]);
    const before = processorOf(host.server.pid);
    const from = host.events.cursor;
    await host.run(parent.id, "start them");
    await model.waitForRequest(
      (each) => each.conversation === parent.id && ended === SUBAGENTS && launched === SUBAGENTS,
      { timeoutMs: 300_000 },
    );
    await host.waitIdle(parent.id, { from });
    return {
      processor: processorOf(host.server.pid) - before,
      memory: greatestMemoryOf(host.server.pid),
      requests: model.turns().length,
    };
  } finally {
    await host.dispose();
    await model.close();
  }
}

function processorOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const ticks = Number(fields[11]) + Number(fields[12]);
  return (ticks / TICKS_A_SECOND) * 1000;
}

function greatestMemoryOf(pid: number): number {
  const kilobytes = /^VmHWM:\s+(\d+) kB$/mu.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return Number(kilobytes) / 1024;
}
