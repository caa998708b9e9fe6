/** What a session's user chose last: the newest message that a person wrote, with its agent, model and variant. */
import type { Host, UserMessage } from "./host.js";

/** Enough for almost every session; the whole history is read only when nothing is found in it. */
const RECENT = 50;

export async function latestRealUserMessage(
  host: Host,
  sessionID: string,
): Promise<UserMessage | undefined> {
  for (const limit of [RECENT, undefined]) {
    const messages = await host.messages(sessionID, limit);
    const found = messages.findLast(
      (message): message is UserMessage => message.role === "user" && message.real,
    );
    if (found || messages.length < (limit ?? Infinity)) return found;
  }
  return undefined;
}
