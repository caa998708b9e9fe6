// Messages and parts of a session, as the host sends them to a terminal.
import type { AssistantMessage, Part, ToolPart, UserMessage } from "@opencode-ai/sdk/v2";

const ids = { sessionID: "ses_a", messageID: "msg_b" };

export const USER: UserMessage = {
  id: "msg_a",
  sessionID: ids.sessionID,
  role: "user",
  time: { created: 1 },
  agent: "general",
  model: { providerID: "p", modelID: "m" },
};

export const ASSISTANT: AssistantMessage = {
  id: ids.messageID,
  sessionID: ids.sessionID,
  role: "assistant",
  time: { created: 1 },
  parentID: USER.id,
  modelID: "m",
  providerID: "p",
  mode: "general",
  agent: "general",
  path: { cwd: "/", root: "/" },
  cost: 0,
  tokens: { input: 0, output: 0, reasoning: 0, cache: { read: 0, write: 0 } },
};

export function textPart(text: string): Part {
  return { id: "prt_b", type: "text", text, ...ids };
}

function toolPart(state: ToolPart["state"]): ToolPart {
  return { id: "prt_a", type: "tool", callID: "call_a", tool: "bash", state, ...ids };
}

/** A call of bash while it runs, and after a good and a bad end. */
export function bashCall(input: Record<string, unknown>) {
  const time = { start: 1, end: 2 };
  const ended = { output: "", title: "List files", metadata: {} };
  return {
    running: toolPart({ status: "running", input, time }),
    completed: toolPart({ status: "completed", input, ...ended, time }),
    failed: toolPart({ status: "error", input, error: "no such file", time }),
  };
}
