/**
 * What six conversations cost the agent: its turns and the characters of all answers and notices that it was shown,
 * beside another version of this plugin. The agent is scripted, goes by what it reads and is the same for both; it
 * gives up when two turns of reading have taught it nothing.
 *
 * Run, with the built folder of the other version:
 *
 *     git worktree add --detach ../other 11667ab && (cd ../other && npm install && npm run build)
 *     npm run build && BESIDE=../other npm run bench -- conversations
 */
import { execFileSync } from "node:child_process";
import { resolve } from "node:path";
import { CONVERSATIONS, converse, type Counted } from "../../fixtures/conversations/index.js";
import { BUILT_PLUGIN, startHost } from "../../fixtures/host/index.js";
import { ScriptedModel } from "../../fixtures/model/index.js";
import { result, unmeasured } from "./result.js";

const BENCH = "conversations";
const OPTIONS = { concurrency: 12, maxRunning: 12, mergeMilliseconds: 3_000 };

/** All of them, on one host with this plugin. */
async function played(plugin: string): Promise<Map<string, Counted>> {
  const model = await ScriptedModel.start();
  const host = await startHost({
    model,
    plugins: [[plugin, OPTIONS]],
    config: { snapshot: false },
  });
  try {
    const counts = new Map<string, Counted>();
    for (const title of Object.keys(CONVERSATIONS)) {
      const counted = await converse({ host, model }, title);
      const { turns, reads, characters, complete } = counted;
      console.log(`${title}: ${JSON.stringify({ turns, reads, characters, complete })}`);
      counts.set(title, counted);
    }
    return counts;
  } finally {
    await host.dispose();
    await model.close();
  }
}

function compare(title: string, ours: Counted, other: Counted): void {
  const howEnded = ({ reads, complete }: Counted) =>
    `${reads} reading calls${complete ? "" : ", not all was learned"}`;
  const note = `ours: ${howEnded(ours)}; ${commit}: ${howEnded(other)}`;
  for (const unit of ["turns", "characters"] as const) {
    const ratio = ours[unit] / other[unit];
    result({ bench: BENCH, case: title, ours: ours[unit], other: other[unit], unit, ratio, note });
  }
}

const beside = process.env["BESIDE"];
let commit = "";
if (beside === undefined) {
  unmeasured(BENCH, "conversations", "BESIDE does not name the folder of another version");
} else {
  const folder = resolve(beside);
  commit = execFileSync("git", ["-C", folder, "describe", "--always"], { encoding: "utf8" }).trim();
  console.log(`== this version`);
  const ours = await played(BUILT_PLUGIN);
  console.log(`== ${commit}`);
  const other = await played(resolve(folder, "dist/index.js"));
  for (const [title, counted] of ours) {
    const counterpart = other.get(title);
    if (counterpart) compare(title, counted, counterpart);
  }
}
