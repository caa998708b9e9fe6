/**
 * Where the server is that this terminal shows: its state folder can be read only on the same machine. The server
 * itself says where that folder is, so a terminal attached with another XDG_STATE_HOME finds it, too.
 */
import { existsSync } from "node:fs";
import { hostname, networkInterfaces } from "node:os";
import { join } from "node:path";
import type { OpencodeClient } from "@opencode-ai/sdk/v2";

export type Origin =
  | { kind: "here"; root: string; projectID: string; directory: string }
  /** Jobs cannot be seen; `server` names the machine for people. */
  | { kind: "elsewhere"; server: string };

const PATIENCE_MILLISECONDS = 5_000;

/** What of the host's API is asked. */
export interface Asked {
  client: OpencodeClient;
  state: { readonly path: { state: string; directory: string } };
}

/** Rejects when the server has not answered, us or the terminal. */
export async function findOrigin(api: Asked): Promise<Origin> {
  const signal = AbortSignal.timeout(PATIENCE_MILLISECONDS);
  const { data, request, error } = await api.client.project.current({}, { signal });
  if (!data) throw new Error("the server does not say which project this is", { cause: error });
  const { state, directory } = api.state.path;
  // The terminal asks for them itself, and may not have been answered yet.
  if (state === "") throw new Error("the terminal does not know the server's folders yet");
  const server = new URL(request.url).hostname;
  if (!isHere(server, ownNames()) || !existsSync(state)) return { kind: "elsewhere", server };
  return { kind: "here", root: join(state, "background"), projectID: data.id, directory };
}

/** The name under which a terminal reaches the server in its own process. */
const IN_PROCESS = "opencode.internal";

export function isHere(server: string, own: readonly string[]): boolean {
  const name = server.replace(/^\[|\]$/g, "").toLowerCase();
  if (name === IN_PROCESS || name === "localhost" || name === "::1") return true;
  return name.startsWith("127.") || own.includes(name);
}

function ownNames(): string[] {
  const addresses = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
  return [hostname().toLowerCase(), ...addresses.map(({ address }) => address.toLowerCase())];
}
