/**
 * The page's server as a process of an OpenCode: it is told on stdin what to serve, by `link.ts`, says on stdout where,
 * and passes on what the user does in the page. It lives as long as that OpenCode or another that shares the page, and
 * ends by itself soon after the last of them.
 */
import { randomBytes } from "node:crypto";
import { waysOf } from "../platform.js";
import { coerceError, silentLog, UserError, wakingClock as clock, type Timer } from "../ports.js";
import { systemProcesses } from "../store/owner.js";
import { openBrowser } from "./browser.js";
import { gatheringPath, openGathering, type Gathering } from "./gathering.js";
import {
  LONGEST_LINK_LINE,
  readLines,
  sign,
  toServer,
  type FromServer,
  type ToServer,
} from "./link.js";
import { askingOwners } from "./owner-actions.js";
import { LOOPBACK } from "./names.js";
import { PortError, startWeb, type WebServer } from "./server.js";

/** An OpenCode that is started again finds the page as it was. */
const ALONE_MS = 2_000;
/** So long an act may take: a restart ends what runs, twice with its grace time. */
const ACT_MS = 150_000;

type Start = Extract<ToServer, { type: "start" }>;

class PageServer {
  readonly #acts = new Map<number, (answer: ToServer | undefined) => void>();
  #start: Start | undefined;
  #server: WebServer | undefined;
  #gathering: Gathering | undefined;
  #starter: number | undefined;
  #lastID = 0;
  #alone: Timer | undefined;

  take(said: ToServer): void {
    if (said.type === "start") void this.#serve(said).catch((thrown) => this.#failed(thrown));
    else if (said.type === "open") void this.#openBrowser();
    else this.#acts.get(said.id)?.(said);
  }

  /** The OpenCode that has started it is gone. */
  starterGone(): void {
    this.#starter = undefined;
    for (const answer of this.#acts.values()) answer(undefined);
    this.#server?.refresh();
    this.#endSoon();
  }

  async end(): Promise<void> {
    this.#alone?.cancel();
    await this.#server?.close();
    await this.#gathering?.close();
    process.exit(0);
  }

  async #serve(start: Start): Promise<void> {
    if (this.#start) throw new Error("it serves already");
    this.#start = start;
    const { root, port, pid } = start;
    this.#starter = pid;
    this.#server = await startWeb({
      root,
      port,
      host: LOOPBACK,
      ...(waysOf().hasLocalNames && {
        ownName: `jobs-${randomBytes(8).toString("hex")}.localhost`,
      }),
      pageFolder: start.pageFolder,
      askOwnerOf: askingOwners(root, systemProcesses),
      actForUser: (act) => this.#act(JSON.stringify(act)),
      starter: () => this.#starter,
      clock,
      log: silentLog,
      processes: systemProcesses,
    });
    const own = this.#server.port;
    this.#gathering = await openGathering(gatheringPath(root, port), {
      port: own,
      onEmpty: () => this.#endSoon(),
      onLeave: () => void this.#leave(),
    });
    say({ type: "serving", port: own, link: this.#server.link });
    if (start.open) await this.#openBrowser();
  }

  async #openBrowser(): Promise<void> {
    if (!this.#server) return;
    const { link, code } = this.#server.linkForOnce();
    const error = await openBrowser(link).then(
      () => undefined,
      (thrown: unknown) => coerceError(thrown).message,
    );
    say({ type: "opened", code, error });
  }

  #act(act: string): Promise<unknown> {
    const { secret } = this.#start ?? {};
    if (secret === undefined || this.#starter === undefined) {
      throw new UserError("the OpenCode that has started this page has ended");
    }
    const id = (this.#lastID += 1);
    return new Promise((resolve, reject) => {
      const timer = clock.after(ACT_MS, () => settle(undefined));
      const settle = (answer: ToServer | undefined): void => {
        timer.cancel();
        this.#acts.delete(id);
        if (answer?.type === "done") resolve(answer.result);
        else if (answer?.type === "refused") reject(new UserError(answer.error));
        else reject(new UserError("its OpenCode has ended, or did not answer"));
      };
      this.#acts.set(id, settle);
      say({ type: "act", id, act, proof: sign(secret, id, act) });
    });
  }

  async #leave(): Promise<void> {
    say({ type: "left" });
    await this.end();
  }

  #endSoon(): void {
    this.#alone?.cancel();
    const isShared = () => this.#gathering?.isEmpty() === false;
    if (this.#starter !== undefined || isShared()) return;
    this.#alone = clock.after(ALONE_MS, () => {
      if (!isShared()) void this.end();
    });
  }

  #failed(thrown: unknown): void {
    const error = coerceError(thrown);
    const taken = error instanceof PortError && error.isTaken;
    say({ type: "failed", taken, error: error.message });
    void this.end();
  }
}

function say(what: FromServer): void {
  process.stdout.write(`${JSON.stringify(what)}\n`);
}

/** Of this process: its stdin says what to do. */
export function servePage(): void {
  const page = new PageServer();
  readLines(process.stdin, {
    schema: toServer,
    longest: LONGEST_LINK_LINE,
    onLine: (said) => page.take(said),
    onWrong: () => void page.end(),
  });
  process.stdin.on("end", () => page.starterGone());
  // EPIPE: it is gone, and stdin ends.
  process.stdout.on("error", () => page.starterGone());
  for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, () => void page.end());
}
