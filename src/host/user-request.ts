/**
 * What a person asks of the plugin from the terminal, on its way through the host: the terminal part publishes an
 * event that the host hands to the plugin's `event` hook and to every terminal, where no command has that name.
 * Whoever can publish there can run commands as well, so nothing is gained by forging one.
 */
import { z } from "zod";

const CANCEL = "opencode-background-manager.cancel";
const REMOVE = "opencode-background-manager.remove-worktree";

const EVENT = "tui.command.execute";
const event = z.object({ properties: z.object({ command: z.string() }) });

export interface UserRequest {
  /** End this job for the user, or remove the worktree of this subagent and end what works in it. */
  act: "cancel" | "remove";
  jobID: string;
}

/** The body for `client.tui.publish`. */
export function requestEvent({ act, jobID }: UserRequest) {
  const command = act === "cancel" ? CANCEL : REMOVE;
  return { type: EVENT, properties: { command: `${command} ${jobID}` } } as const;
}

/** Undefined for every other event; those are told apart without a schema, for there are many. */
export function parseUserRequest(raw: unknown): UserRequest | undefined {
  if (typeof raw !== "object" || raw === null || !("type" in raw) || raw.type !== EVENT) {
    return undefined;
  }
  const [command, jobID] = event.safeParse(raw).data?.properties.command.split(" ") ?? [];
  if (!jobID) return undefined;
  if (command === CANCEL) return { act: "cancel", jobID };
  return command === REMOVE ? { act: "remove", jobID } : undefined;
}
