/**
 * What the user's rules say of starting a subagent and of our own tools. The host asks nothing for a plugin's tool by
 * itself: it only hides one that is denied altogether.
 */
import type { ToolContext } from "@opencode-ai/plugin";
import { isNamed } from "../permission/rules.js";
import type { Workspace } from "../workspace.js";

type Asker = Pick<ToolContext, "ask" | "agent" | "sessionID">;

/** As the host's own `task` tool asks, with the agent's name as pattern. Throws when it is denied or rejected. */
export async function askForTask(
  context: Asker,
  { agent, description }: { agent: string; description: string },
): Promise<void> {
  await context.ask({
    permission: "task",
    patterns: [agent],
    always: ["*"],
    metadata: { description, subagent_type: agent },
  });
}

/** Rules on a tool's own name; `pattern` is what it is about. Throws when it is denied or rejected. */
export async function askForTool(context: Asker, tool: string, pattern = "*"): Promise<void> {
  await context.ask({ permission: tool, patterns: [pattern], always: [pattern], metadata: {} });
}

/** The same for a tool that only reads: a catch-all rule (`"*": "ask"`) is not meant for it. */
export async function askIfNamed(
  { permission }: Workspace,
  context: Asker,
  tool: string,
): Promise<void> {
  if (isNamed(await permission.rulesOf(context), tool)) await askForTool(context, tool);
}
