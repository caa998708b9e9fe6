/** What a session holds. */
import { HostError, type Host, type Message } from "./host.js";

/** Oldest first; undefined when the session is gone. Rejects when the host cannot say. */
export async function storedMessages(
  host: Host,
  sessionID: string,
): Promise<Message[] | undefined> {
  try {
    return await host.messages(sessionID);
  } catch (thrown) {
    if (thrown instanceof HostError && thrown.status === 404) return undefined;
    throw thrown;
  }
}
