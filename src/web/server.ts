/** The web server as a process: where it listens, who may enter, and its end. */
import { readdirSync, readFileSync } from "node:fs";
import { isIP, type AddressInfo } from "node:net";
import { extname, join } from "node:path";
import { createAdaptorServer, type ServerType } from "@hono/node-server";
import { PatternGuard } from "../output/pattern.js";
import { UserError, type Clock, type Log } from "../ports.js";
import type { Processes } from "../store/owner.js";
import { createApp, type ActForUser, type PageFile } from "./app.js";
import { Entrance } from "./entrance.js";
import { JobFeed } from "./feed.js";
import { linkHosts } from "./names.js";
import type { AskOwnerOf } from "./owner-actions.js";

export interface WebOptions {
  /** The state folder. */
  root: string;
  port: number;
  host: string;
  /** Names by which it may be called besides its own addresses; as `readName` gives them. */
  names?: readonly string[];
  /**
   * The name of its link, below `localhost`, which browsers lead to loopback by themselves, IPv6 first. Where it is new
   * with each start, no service worker or kept answer of a program that had the port before is there.
   */
  ownName?: string;
  /** Made at the start when it is left out. */
  token?: string;
  /** Where the built page is. */
  pageFolder: string;
  askOwnerOf: AskOwnerOf;
  /** For the server of an OpenCode; see `AppOptions` and `FeedOptions`. */
  actForUser?: ActForUser;
  starter?: () => number | undefined;
  clock: Clock;
  log: Log;
  processes: Processes;
}

/** It cannot listen there. */
export class PortError extends UserError {
  readonly isTaken: boolean;

  constructor(message: string, isTaken: boolean, options: ErrorOptions) {
    super(message, options);
    this.isTaken = isTaken;
  }
}

export interface WebServer {
  port: number;
  /** The token is in the fragment: it is never sent, logged or given to another site. */
  link: string;
  /** One for each address and name by which it may be called; `link` is the first. */
  links: string[];
  /** Another link, for the arguments of a browser: good for one use within two minutes, in full with its code. */
  linkForOnce(): { link: string; code: string };
  /** Reads the records again. */
  refresh(): void;
  close(): Promise<void>;
}

/** Resolves when it listens. Rejects with a `PortError` when the port is taken, never with another port. */
export async function startWeb(options: WebOptions): Promise<WebServer> {
  const { root, clock, log, processes, host, port, askOwnerOf, actForUser, starter } = options;
  const { ownName, names = [] } = options;
  const allowed = [isIP(host) ? [] : host.toLowerCase(), ownName ?? [], names].flat();
  const entrance = new Entrance(clock, options.token);
  const page = readPage(options.pageFolder);
  const feed = new JobFeed({ root, clock, log, processes, starter });
  const patterns = new PatternGuard(clock);
  const guard = { clock, entrance, names: allowed };
  const app = createApp({ ...guard, feed, patterns, askOwnerOf, actForUser, page });
  const servers: ServerType[] = [];
  const open = async (on: string, at: number): Promise<number> => {
    const server = createAdaptorServer({ fetch: app.fetch });
    await listen(server, at, on);
    servers.push(server);
    return portOf(server);
  };
  const close = async (): Promise<void> => {
    feed.close();
    await Promise.all(servers.map(closed));
  };
  let own: number;
  try {
    own = await open(host, port);
    if (ownName !== undefined) await open("::1", own).catch(unlessTaken);
  } catch (thrown) {
    await close();
    throw thrown;
  }
  const hosts = linkHosts(host, own, names);
  if (ownName !== undefined) hosts.unshift(`${ownName}:${own}`);
  const links = hosts.map((each) => `http://${each}/#token=${entrance.token}`);
  let closing: Promise<void> | undefined;
  return {
    port: own,
    link: links[0] ?? "",
    links,
    linkForOnce: () => {
      const { ticket, code } = entrance.ticket();
      return { link: `http://${hosts[0]}/#ticket=${ticket}`, code };
    },
    refresh: () => feed.refresh(),
    close: () => (closing ??= close()),
  };
}

function closed(server: ServerType): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    if ("closeAllConnections" in server) server.closeAllConnections();
  });
}

/** Another program would get what is sent to the name; a machine without IPv6 is no harm. */
function unlessTaken(thrown: unknown): void {
  if (thrown instanceof PortError && thrown.isTaken) throw thrown;
}

function listen(server: ServerType, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      const isTaken = error.code === "EADDRINUSE";
      const why = isTaken ? "another program has it" : error.message;
      reject(new PortError(`port ${port} of ${host}: ${why}`, isTaken, { cause: error }));
    });
    server.listen(port, host, () => resolve());
  });
}

function portOf(server: ServerType): number {
  const address: AddressInfo | string | null = server.address();
  if (address === null || typeof address === "string") throw new Error("the server has no port");
  return address.port;
}

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
};

/** All files of the built page, in memory: nothing that a request names is ever looked up on disk. */
function readPage(folder: string): Map<string, PageFile> {
  const page = new Map<string, PageFile>();
  for (const name of readdirSync(folder)) {
    const type = TYPES[extname(name)];
    if (type === undefined) continue;
    const file = { type, body: new Uint8Array(readFileSync(join(folder, name))) };
    page.set(name === "index.html" ? "/" : `/${name}`, file);
  }
  if (!page.has("/")) throw new UserError(`the page is not built: there is none in ${folder}`);
  return page;
}
