/**
 * After a restart: who hears what an earlier owner of the state still owed. Nothing to a session that was deleted
 * meanwhile; and what a subagent of the host's own was owed is its parent's, for its run ended with that owner.
 */
import { coerceError, type Log } from "../ports.js";
import type { Host } from "../host/host.js";
import type { SessionTree } from "../host/session-tree.js";
import type { Outbox } from "./outbox.js";

interface Hearing {
  gone: (sessionID: string) => void;
  /** It exists, and the tree knows its parent. */
  found: (sessionID: string) => void;
}

/** Asks the host for each session that is owed something. Never rejects: what cannot be looked at is left as it is. */
export async function findHearers(
  { host, tree, log }: { host: Host; tree: SessionTree; log: Log },
  outbox: Outbox,
  { gone, found }: Hearing,
): Promise<void> {
  const owed = new Set(outbox.all().map(({ parentSessionID }) => parentSessionID));
  const looks = [...owed].map(async (sessionID) => {
    try {
      const session = await host.session(sessionID);
      if (!session) {
        gone(sessionID);
        return;
      }
      tree.learn(sessionID, session.parentID);
      found(sessionID);
    } catch (thrown) {
      const error = coerceError(thrown).message;
      log("warn", "notices are kept for a session that cannot be looked at", { sessionID, error });
    }
  });
  await Promise.all(looks);
}
