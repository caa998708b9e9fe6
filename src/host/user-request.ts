/**
 * What a person asks of the plugin from the terminal, on its way through the host: the terminal part publishes an
 * event that the host hands to the plugin's `event` hook and to every terminal, where no command has that name.
 * A process that can publish there can run commands as well, so nothing is gained by forging one.
 */
import { z } from "zod";

const COMMANDS = {
  /** End this job for the user. */
  cancel: "opencode-background-manager.cancel",
  /** Remove the worktree of this subagent and end what works in it. */
  remove: "opencode-background-manager.remove-worktree",
  /** Run this process again, unchanged. */
  restart: "opencode-background-manager.restart",
} as const;

const TYPE = "opencode-background-manager.type";

const PAGE = "opencode-background-manager.page";
const EVENT = "tui.command.execute";
const event = z.object({ properties: z.object({ command: z.string() }) });

export type UserRequest =
  | { act: keyof typeof COMMANDS; jobID: string }
  /** Type a line into this process; sealed, for everyone who listens gets the event. */
  | { act: "type"; jobID: string; sealed: string }
  /** Serve the page of background jobs and open it. */
  | { act: "page" };

/** The body for `client.tui.publish`. */
export function requestEvent(request: UserRequest) {
  return { type: EVENT, properties: { command: commandOf(request) } } as const;
}

function commandOf(request: UserRequest): string {
  if (request.act === "page") return PAGE;
  if (request.act === "type") return `${TYPE} ${request.jobID} ${request.sealed}`;
  return `${COMMANDS[request.act]} ${request.jobID}`;
}

/** Undefined for every other event; those are told apart without a schema, for there are many. */
export function parseUserRequest(raw: unknown): UserRequest | undefined {
  if (typeof raw !== "object" || raw === null || !("type" in raw) || raw.type !== EVENT) {
    return undefined;
  }
  const words = event.safeParse(raw).data?.properties.command.split(" ") ?? [];
  const [command, jobID, sealed = ""] = words;
  if (command === PAGE) return { act: "page" };
  if (!jobID) return undefined;
  if (command === TYPE) return { act: "type", jobID, sealed };
  if (command === COMMANDS.cancel) return { act: "cancel", jobID };
  if (command === COMMANDS.remove) return { act: "remove", jobID };
  return command === COMMANDS.restart ? { act: "restart", jobID } : undefined;
}
