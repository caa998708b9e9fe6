// Owns: a web server over the state of owners that a test makes, with the page built once. Promises: it is closed
// after its test, and what was asked of owners is recorded.
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { silentLog, systemClock, UserError } from "../../src/ports.js";
import type { ActForUser } from "../../src/web/app.js";
import type { AskOwnerOf } from "../../src/web/owner-actions.js";
import { startWeb, type WebOptions, type WebServer } from "../../src/web/server.js";
import type { RequestView, TranscriptView } from "../../src/web/schemas.js";
import { machine, owner } from "../cli/support.js";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
let built: string | undefined;
after(() => {
  if (built !== undefined) rmSync(built, { recursive: true, force: true });
});

/** The page as `npm run build` makes it, in a folder of this test file. */
export function pageFolder(): string {
  if (built !== undefined) return built;
  const folder = mkdtempSync(join(tmpdir(), "obm-page-"));
  const entries = ["src/web/page/main.tsx", "src/web/page/style.css"];
  const args = ["build", ...entries, "--target=browser", "--format=esm", `--outdir=${folder}`];
  execFileSync(join(ROOT, "node_modules/.bin/bun"), args, { cwd: ROOT, stdio: "pipe" });
  for (const name of ["index.html", "icon.svg"]) {
    cpSync(join(ROOT, "src/web/page", name), join(folder, name));
  }
  built = folder;
  return folder;
}

function authorized(token: string, given: RequestInit["headers"]): Headers {
  const headers = new Headers(given);
  if (!headers.has("authorization")) headers.set("authorization", `Bearer ${token}`);
  return headers;
}

export interface ServeOptions extends Partial<WebOptions> {
  /** As the server that the living owner has started. */
  byOpenCode?: boolean;
  /** The job whose owner refuses what is asked of it. */
  refusedFor?: string;
  /** What subagents have said. */
  said?: TranscriptView["entries"];
  /** What subagents ask, by the job. */
  requests?: Readonly<Record<string, RequestView>>;
}

const DONE = { text: "done" };

/** An owner that can be asked. */
export async function reachable(...[pid, root, ...jobs]: Parameters<typeof owner>) {
  const made = await owner(pid, root, ...jobs);
  made.store.setControl(join(root, "no.sock"));
  return made;
}

export interface Fixture extends WebServer {
  root: string;
  token: string;
  /** What owners were asked. */
  asked: string[];
  get: (path: string, init?: RequestInit) => Promise<Response>;
}

export function stateFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "obm-web-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const root = join(folder, "state");
  mkdirSync(root);
  return root;
}

export async function serve(
  t: TestContext,
  root: string,
  options: ServeOptions = {},
): Promise<Fixture> {
  const asked: string[] = [];
  const askOwnerOf: AskOwnerOf = (request) => {
    const action = "remove" in request ? `${request.method} and remove` : request.method;
    asked.push(`${action} ${request.jobID}`);
    if (request.jobID === options.refusedFor) {
      return Promise.reject(new UserError("its owner refuses"));
    }
    const isTranscript = request.method === "transcript";
    return Promise.resolve(isTranscript ? JSON.stringify(options.said ?? []) : `${action} done`);
  };
  const actForUser: ActForUser = (act) => {
    asked.push(JSON.stringify(act));
    return Promise.resolve(
      act.method === "request" ? { request: options.requests?.[act.jobID] } : DONE,
    );
  };
  const server = await startWeb({
    root,
    port: 0,
    host: "127.0.0.1",
    pageFolder: pageFolder(),
    askOwnerOf,
    ...(options.byOpenCode && { actForUser, starter: () => 1 }),
    clock: systemClock,
    log: silentLog,
    processes: machine,
    ...options,
  });
  t.after(() => server.close());
  const token = server.link.split("#token=")[1] ?? "";
  const get = (path: string, init: RequestInit = {}) =>
    fetch(`http://127.0.0.1:${server.port}${path}`, {
      ...init,
      headers: authorized(token, init.headers),
    });
  return { ...server, root, token, asked, get };
}

/** A request by hand, for fetch does not let a test choose these headers; resolves with the whole answer. */
export function raw(
  { port }: Pick<WebServer, "port">,
  path: string,
  headers: Record<string, string>,
  address = "127.0.0.1",
): Promise<string> {
  return new Promise((resolve, reject) => {
    const given = { Host: `127.0.0.1:${port}`, Connection: "close", ...headers };
    const lines = Object.entries(given).map(([name, value]) => `${name}: ${value}\r\n`);
    const socket = connect(port, address, () => {
      socket.write(`GET ${path} HTTP/1.1\r\n${lines.join("")}\r\n`);
    });
    let text = "";
    socket.on("data", (data) => {
      text += data.toString();
    });
    socket.on("error", reject);
    socket.on("close", () => resolve(text));
  });
}
