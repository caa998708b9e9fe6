/**
 * What a session's user chose last: the newest message that a person wrote, or that the host wrote when they let the
 * agent leave its plan; with its agent, model and variant.
 */
import type { Host, Message, UserMessage } from "./host.js";

/** Enough for almost every session; the whole history is read only when nothing is found in it. */
const RECENT = 50;

export async function latestRealUserMessage(
  host: Host,
  sessionID: string,
): Promise<UserMessage | undefined> {
  const recent = newestReal(await host.messages(sessionID, RECENT));
  // How many came says nothing of how many there are: those of an unknown shape are left out.
  return recent ?? newestReal(await host.messages(sessionID));
}

function newestReal(messages: readonly Message[]): UserMessage | undefined {
  return messages.findLast(
    (message, index): message is UserMessage =>
      message.role === "user" && (message.real || leavesPlan(messages[index - 1])),
  );
}

/** The step whose call of `plan_exit` the user agreed to: behind it the host stores a message to the next agent. */
function leavesPlan(step: Message | undefined): boolean {
  return (
    step?.role === "assistant" &&
    step.tools.some(({ tool, status }) => tool === "plan_exit" && status !== "error")
  );
}
