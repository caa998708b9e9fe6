// Owns: a desk whose agent has started one subagent. Promises: it runs, and its session is known.
import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { desk, type Desk } from "./workspace.js";

/** What the agent starts it with. */
export const TASK = { description: "Looks around", prompt: "Look around.", agent: "general" };

export async function launched(t: TestContext, options: Parameters<typeof desk>[1] = {}) {
  const one = desk(t, options);
  const answer = await one.call("createBackgroundTask", TASK);
  const [job] = one.workspace.tasks.list();
  assert.ok(job?.sessionID);
  return { ...one, answer, id: job.id, sessionID: job.sessionID };
}

/** The subagent's run ends with this text. */
export function answers({ host, workspace }: Desk, sessionID: string, text: string): void {
  host.addAssistant(sessionID, { text });
  workspace.onEvent({ type: "idle", sessionID });
}
