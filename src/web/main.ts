/** `npx opencode-background-manager web`: serves page and API until it is interrupted. Loads all of the server. */
import { lstatSync, readFileSync } from "node:fs";
import { UserError, type Clock, type Log } from "../ports.js";
import type { Processes } from "../store/owner.js";
import { askingOwners } from "./owner-actions.js";
import { LOOPBACK, readName } from "./names.js";
import { PortError, startWeb, type WebServer } from "./server.js";

export { servePage } from "./page-server.js";

export interface WebRequest {
  root: string;
  port: number;
  host: string;
  /** Further names by which it may be called, as they were typed. */
  names: readonly string[];
  /** Where the token stands that is asked for; needed for every address but loopback. */
  tokenFile: string | undefined;
}

export interface WebSystem {
  pageFolder: string;
  clock: Clock;
  log: Log;
  processes: Processes;
}

/** Rejects with a `UserError` when it cannot serve as asked. */
export async function serveWeb(request: WebRequest, system: WebSystem): Promise<WebServer> {
  const { root, port, host, tokenFile } = request;
  const names = request.names.map(readName);
  if (host !== LOOPBACK && tokenFile === undefined) {
    throw new UserError(
      `--host ${host}: other machines may then reach the page without encryption; name a file with a token of your own by --token-file`,
    );
  }
  const token = tokenFile === undefined ? undefined : readToken(tokenFile);
  const askOwnerOf = askingOwners(root, system.processes);
  try {
    return await startWeb({ root, port, host, names, askOwnerOf, token, ...system });
  } catch (thrown) {
    if (!(thrown instanceof PortError) || !thrown.isTaken) throw thrown;
    throw new UserError(`${thrown.message}; choose one with --port`, { cause: thrown });
  }
}

/** At least 16 characters that fit into an address, in a file that only its owner reads. */
function readToken(file: string): string {
  const info = lstatSync(file, { throwIfNoEntry: false });
  if (!info?.isFile()) throw new UserError(`--token-file ${file}: expected a file`);
  if ((info.mode & 0o077) !== 0) {
    throw new UserError(`--token-file ${file}: expected a file that only you can read (chmod 600)`);
  }
  const token = readFileSync(file, "utf8").trim();
  if (/^[\w-]{16,200}$/u.test(token)) return token;
  throw new UserError(
    `--token-file ${file}: expected 16 to 200 letters, digits, "_" and "-", got ${token.length} characters`,
  );
}
