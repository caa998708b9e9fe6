/**
 * The OpenCode's end of the page: starts its server as a process of its own, or shares that of another OpenCode, and
 * does what the user does in the page. One for all directories of an OpenCode. Promises: a port that another program
 * has is said, never another one taken; the secret goes into the server's stdin alone; an act that is not signed with
 * it is refused; the server ends soon after its last user.
 *
 * Only the server that this OpenCode has started may do more than show, stop and cancel with its jobs. No OpenCode can
 * know whether a server that it has not started is one: whatever an agent starts has the same user. So one that shares
 * a page and whose user asks for it (`openPage`) asks the other to leave, and serves the page itself.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { userAct, type UserActs } from "../control/user-acts.js";
import { coerceError, UserError, type Clock, type Log } from "../ports.js";
import { pause, within } from "../time.js";
import { gatheringPath, share, type Share } from "./gathering.js";
import {
  fromServer,
  isSigned,
  LONGEST_LINK_LINE,
  readLines,
  type FromServer,
  type ToServer,
} from "./link.js";

/** One directory's background work. */
export interface Guest {
  log: Log;
  acts: Pick<UserActs, "has" | "perform">;
  toast: (message: string, variant: "info" | "warning" | "error") => void;
}

export interface LauncherDeps {
  clock: Clock;
  /** The state folder. */
  root: string;
  port: number;
  /** How the server is started. */
  program: { file: string; args: readonly string[]; env: NodeJS.ProcessEnv };
  pageFolder: string;
}

/** A second copy of this module must find what the first one keeps: a module variable would not do. */
const LAUNCHERS = Symbol.for("opencode-background-manager/page-launchers");
/** The next instance of a directory may follow. */
const EMPTY_MS = 2_000;
/** Two that start at once: the one without the port looks so often for the other, this far apart. */
const LOOKS = 30;
const LOOK_MS = 100;
/** So long the page of another OpenCode may take to end. */
const LEAVE_MS = 3_000;
/** A server that dies is started again so often. */
const MOST_RESTARTS = 3;

type State =
  | { kind: "idle" }
  | { kind: "starting" }
  | { kind: "serving"; child: ChildProcess; link: string }
  | { kind: "sharing"; share: Share };

export class PageLauncher {
  readonly #deps: LauncherDeps;
  readonly #guests = new Set<Guest>();
  #state: State = { kind: "idle" };
  #child: ChildProcess | undefined;
  #restarts = 0;
  /** The user has asked for the page while it was being started. */
  #isWanted = false;

  /** The one for this state folder; its port is that of the directory that came first. */
  static for(deps: LauncherDeps): PageLauncher {
    const known = launchers();
    const launcher = known.get(deps.root) ?? new PageLauncher(deps);
    known.set(deps.root, launcher);
    return launcher;
  }

  constructor(deps: LauncherDeps) {
    this.#deps = deps;
  }

  /** `serve`: as its user's option says; else only a request starts the page. Returns what takes it out again. */
  join(guest: Guest, serve?: { open: boolean }): () => void {
    this.#guests.add(guest);
    if (serve && this.#state.kind === "idle") void this.#begin(serve.open);
    return () => {
      if (!this.#guests.delete(guest) || this.#guests.size > 0) return;
      this.#deps.clock.after(EMPTY_MS, () => {
        if (this.#guests.size === 0) this.#end();
      });
    };
  }

  /** The user asks for the page: it is served by this OpenCode from here on, and opened. */
  openPage(): void {
    const state = this.#state;
    if (state.kind === "serving") {
      say(state.child, { type: "open" });
    } else if (state.kind === "sharing") {
      this.#state = { kind: "starting" };
      void this.#replace(state.share, true).catch(this.#failed);
    } else if (state.kind === "idle") {
      this.#restarts = 0;
      void this.#begin(true, true);
    } else {
      this.#isWanted = true;
    }
  }

  /** Shares the page that is there, unless it is to be `ours`, else serves it. Never rejects. */
  async #begin(open: boolean, ours = false, looks = 1): Promise<void> {
    this.#state = { kind: "starting" };
    try {
      const found = await this.#find(looks);
      if (found && !ours) return this.#shares(found);
      if (found) await this.#replace(found, open);
      else await this.#start(open);
    } catch (thrown) {
      this.#failed(thrown);
    }
  }

  /** One that does not leave, or is no page at all, has the port or has not: that is seen then. */
  async #replace(other: Share, open: boolean): Promise<void> {
    other.askToLeave();
    await within(this.#deps.clock, LEAVE_MS, other.ended);
    other.close();
    await this.#start(open);
  }

  #shares(found: Share): void {
    if (this.#guests.size === 0) {
      found.close();
      this.#state = { kind: "idle" };
      return;
    }
    this.#state = { kind: "sharing", share: found };
    if (this.#takeWish()) {
      this.openPage();
      return;
    }
    this.#toast(
      `The page of background jobs at http://127.0.0.1:${found.port} is served by another OpenCode. Answers and input for this one: open it here, by the command "Page of background jobs".`,
      "info",
    );
    void found.ended.then(() => {
      if (this.#state.kind === "sharing" && this.#state.share === found) void this.#begin(false);
    });
  }

  /** Resolves when the server says that it serves, or that it cannot. */
  async #start(open: boolean): Promise<void> {
    const { program, root, port, pageFolder } = this.#deps;
    const secret = randomBytes(32).toString("base64url");
    const child = spawn(program.file, program.args, {
      cwd: "/",
      // No terminal's Ctrl-C reaches it: it ends with us.
      detached: true,
      windowsHide: true,
      stdio: ["pipe", "pipe", "ignore"],
      env: program.env,
    });
    this.#child = child;
    release(child);
    let said: FromServer | undefined;
    const isUp = new Promise<void>((resolve, reject) => {
      child.once("error", reject);
      child.once("exit", (code, signal) => {
        resolve();
        this.#exited(child, said, signal ?? `exit code ${code}`);
      });
      child.stdin?.on("error", () => undefined /* EPIPE: `exit` follows. */);
      readLines(child.stdout, {
        schema: fromServer,
        longest: LONGEST_LINK_LINE,
        onLine: (what) => {
          if (what.type !== "act" && what.type !== "opened") said = what;
          if (what.type === "serving" || what.type === "failed") resolve();
          this.#heard(child, what, secret);
        },
        // It is not what we have started any more.
        onWrong: () => child.kill("SIGKILL"),
      });
    });
    const pid = process.pid;
    say(child, { type: "start", secret, root, port, pageFolder, pid, open });
    await isUp;
    if (said?.type === "failed") {
      // Another OpenCode had the port first, and perhaps does not listen yet.
      const found = said.taken ? await this.#find(LOOKS) : undefined;
      if (found) return this.#shares(found);
      throw new UserError(
        said.taken ? `${said.error}; the option web.port chooses one` : said.error,
      );
    }
  }

  /** The page of another OpenCode. */
  async #find(looks: number): Promise<Share | undefined> {
    const { clock, root, port } = this.#deps;
    const path = gatheringPath(root, port);
    for (let left = looks; ; left -= 1) {
      const found = await share(path);
      if (found || left <= 1) return found;
      await pause(clock, LOOK_MS);
    }
  }

  #heard(child: ChildProcess, what: FromServer, secret: string): void {
    if (what.type === "serving") {
      this.#state = { kind: "serving", child, link: what.link };
      if (this.#guests.size === 0) this.#end();
      else if (this.#takeWish()) say(child, { type: "open" });
      else this.#toast(`The page of background jobs: ${what.link}`, "info");
    } else if (what.type === "opened") {
      const link = this.#state.kind === "serving" ? this.#state.link : "";
      const called = `Your browser was called for ${link} (code ${what.code})`;
      if (what.error === undefined) this.#toast(called, "info");
      else this.#toast(`No browser could be called (${what.error}) for ${link}`, "warning");
    } else if (what.type === "act") {
      void this.#act(what, secret).then((answer) => say(child, answer));
    }
  }

  /** Never rejects. */
  async #act(
    { id, act, proof }: Extract<FromServer, { type: "act" }>,
    secret: string,
  ): Promise<ToServer> {
    try {
      if (!isSigned(secret, id, act, proof)) throw new UserError("the request is not signed");
      const wanted = userAct.parse(JSON.parse(act));
      const guest = [...this.#guests].find(({ acts }) => acts.has(wanted.jobID));
      if (!guest) throw new UserError(`${wanted.jobID} is no job of this OpenCode`);
      return { type: "done", id, result: await guest.acts.perform(wanted) };
    } catch (thrown) {
      return { type: "refused", id, error: coerceError(thrown).message };
    }
  }

  #exited(child: ChildProcess, said: FromServer | undefined, how: string): void {
    if (this.#child !== child) return;
    this.#child = undefined;
    if (this.#state.kind !== "serving") return;
    this.#state = { kind: "idle" };
    if (this.#guests.size === 0) return;
    if (said?.type === "left") {
      void this.#begin(false, false, LOOKS);
      return;
    }
    this.#restarts += 1;
    if (this.#restarts <= MOST_RESTARTS) void this.#begin(false);
    else this.#failed(new Error(`its server has ended again (${how})`));
  }

  #takeWish(): boolean {
    const isWanted = this.#isWanted;
    this.#isWanted = false;
    return isWanted;
  }

  readonly #failed = (thrown: unknown): void => {
    this.#isWanted = false;
    this.#state = { kind: "idle" };
    const message = `The page of background jobs is not served: ${coerceError(thrown).message}`;
    for (const { log } of this.#guests) log("error", message);
    this.#toast(message, "error");
  };

  #end(): void {
    const state = this.#state;
    this.#state = { kind: "idle" };
    if (state.kind === "sharing") state.share.close();
    this.#child?.stdin?.end();
    launchers().delete(this.#deps.root);
  }

  /** In one directory: they share the terminal. */
  #toast(message: string, variant: Parameters<Guest["toast"]>[1]): void {
    const [first] = this.#guests;
    first?.toast(message, variant);
  }
}

function say(child: ChildProcess, what: ToServer): void {
  if (child.stdin?.writable) child.stdin.write(`${JSON.stringify(what)}\n`);
}

/** Neither the server nor the pipes to it keep the host awake. */
function release(child: ChildProcess): void {
  child.unref();
  for (const stream of [child.stdin, child.stdout]) {
    if (stream && "unref" in stream && typeof stream.unref === "function") stream.unref();
  }
}

function launchers(): Map<string, PageLauncher> {
  const known: unknown = Reflect.get(globalThis, LAUNCHERS);
  if (known instanceof Map) return known;
  const created = new Map<string, PageLauncher>();
  Reflect.set(globalThis, LAUNCHERS, created);
  return created;
}
