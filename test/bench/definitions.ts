/**
 * What our tool definitions cost in every request, as the model receives them, beside the host's own `task`
 * tool, which only starts subagents. Tokens are estimated at four characters each.
 *
 * Run: npm run build && node --import tsx test/bench/definitions.ts
 */
import { startHost } from "../../fixtures/host/index.js";
import { ScriptedModel, text } from "../../fixtures/model/index.js";
import { result } from "./result.js";

const MOST = 6_000;

const model = await ScriptedModel.start();
const host = await startHost({ model });
try {
  const session = await host.createSession({ title: "definitions" });
  model.scriptSession(session.id, [text("hello")]);
  await host.run(session.id, "hello");
  const tools = model.turns(session.id)[0]?.tools ?? [];
  const sizes = tools.map((tool): [string, number] => [
    tool.function.name,
    // The agents' names are the project's, and counted apart.
    JSON.stringify(tool).replace(/ Agents: [^"]*/u, "").length + 1,
  ]);
  const isOurs = ([name]: [string, number]) => /Background|killProcesses/u.test(name);
  const sum = (some: [string, number][]) => some.reduce((total, [, size]) => total + size, 0);
  for (const [name, size] of sizes) console.log(`${name}: ${size} characters, ${tokens(size)}`);
  const ours = sum(sizes.filter(isOurs));
  const task = sum(sizes.filter(([name]) => name === "task"));
  const all = sum(sizes);
  console.log(`ours: ${ours}, the host's task: ${task}, all tools: ${all}`);
  const about = { bench: "definitions", ours, unit: "characters" };
  const note = `about ${tokens(ours)} (4 characters each)`;
  const limit = { other: MOST, ratio: ours / MOST, goal: `at most ${MOST}` };
  result({ ...about, ...limit, case: "all tools, beside the limit", note });
  const beside = { other: task, ratio: ours / task };
  result({ ...about, ...beside, case: "all tools, beside the host's task", note });
} finally {
  await host.dispose();
  await model.close();
}

function tokens(characters: number): string {
  return `${Math.round(characters / 4)} tokens`;
}
