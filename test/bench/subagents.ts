/**
 * What 60 subagents cost the host, five at a time, each with three tool calls: through us, and through the host's own
 * background task, in turn, each in a host of its own with the plugin loaded. Processor time and greatest memory of the
 * host's process. Linux only: both are read from /proc.
 *
 * Run: npm run build && node --import tsx test/bench/subagents.ts [rounds]
 */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { startHost } from "../../fixtures/host/index.js";
import { ScriptedModel, text, toolCall, type Action } from "../../fixtures/model/index.js";
import { median } from "./median.js";
import { result } from "./result.js";

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

const ours: Cost[] = [];
const theirs: Cost[] = [];
for (let round = 0; round < ROUNDS; round++) {
  ours.push(
    await measure((prompt) =>
      toolCall("createBackgroundTask", { description: "x", prompt, agent: "general" }),
    ),
  );
  theirs.push(
    await measure((prompt) =>
      toolCall("task", { description: "x", prompt, subagent_type: "general", background: true }),
    ),
  );
}
compare("processor", "ms");
compare("memory", "MB");

function compare(what: "processor" | "memory", unit: string): void {
  const [a, b] = [ours, theirs].map((costs) => median(costs.map((cost) => cost[what])));
  if (a === undefined || b === undefined) throw new Error("nothing was measured");
  const requests = [ours, theirs].map((costs) => median(costs.map((cost) => cost.requests)));
  result({
    bench: "subagents",
    case: `${what} of the host for ${SUBAGENTS} subagents, ${AT_ONCE} at a time, beside the host's own`,
    ours: a,
    other: b,
    unit,
    ratio: a / b,
    goal: `at most ${GOAL}`,
    note: `median of ${ROUNDS}; model requests ${requests.join(" and ")}`,
  });
}

async function measure(launch: (prompt: string) => Action): Promise<Cost> {
  const model = await ScriptedModel.start();
  const host = await startHost({
    model,
    pluginOptions: { toasts: false },
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
