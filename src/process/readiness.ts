/**
 * When a process is ready: a line of its output matched, its port accepts connections, or (when both are asked for)
 * both. It goes on looking until it is ready or stopped. A start waits for that, the end, its time limit or the
 * caller's abort, whichever comes first; readiness that comes after the wait is announced instead.
 */
import { connect } from "node:net";
import { networkInterfaces } from "node:os";
import type { ProcessJob } from "../jobs/job.js";
import type { Clock, Timer } from "../ports.js";
import { afterLong, within } from "../time.js";
import type { StartInput } from "./start-input.js";
import type { ReadinessResult } from "./types.js";

/** Whether TCP connections to this port are accepted on any address of this machine. */
export type Probe = (port: number, signal: AbortSignal) => Promise<boolean>;

/** The last is what Debian's `/etc/hosts` gives for the machine's own name. */
const LOOPBACK = ["127.0.0.1", "::1", "127.0.1.1"];
const PROBE_MILLISECONDS = 2000;

/** A server may listen on one address only, so each is tried. */
const probePort: Probe = async (port, signal) => {
  const answers = await Promise.all([...ownAddresses()].map((host) => accepts(host, port, signal)));
  return answers.includes(true);
};

function ownAddresses(): Set<string> {
  const own = Object.entries(networkInterfaces()).flatMap(([name, addresses = []]) =>
    addresses.map(({ address, scopeid }) => (scopeid ? `${address}%${name}` : address)),
  );
  return new Set([...LOOPBACK, ...own]);
}

function accepts(host: string, port: number, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve(false);
      return;
    }
    const socket = connect({ host, port });
    const done = (answer: boolean) => {
      signal.removeEventListener("abort", give);
      socket.destroy();
      resolve(answer);
    };
    const give = () => done(false);
    signal.addEventListener("abort", give);
    socket.setTimeout(PROBE_MILLISECONDS, give);
    socket.once("connect", () => done(true));
    socket.on("error", give);
  });
}

interface ReadinessRequest {
  /** A line of output must match. */
  pattern: boolean;
  port?: number;
  /** The port answered before the start: only what answers after it has been silent is the process itself. */
  wasTaken?: boolean;
  clock: Clock;
  probe?: Probe;
  /** With the line that matched, when one was asked for. */
  onReady: (line: string | undefined) => void;
}

/** Undefined when this job is not asked to be ready. */
export function watchReadiness(
  { readyPattern, readyPort }: ProcessJob,
  system: Pick<ReadinessRequest, "clock" | "probe" | "wasTaken">,
  onReady: ReadinessRequest["onReady"],
): Readiness | undefined {
  if (readyPattern === undefined && readyPort === undefined) return undefined;
  return new Readiness({
    pattern: readyPattern !== undefined,
    port: readyPort,
    ...system,
    onReady,
  });
}

const FIRST_PAUSE = 50;
const LONGEST_PAUSE = 1000;

export class Readiness {
  readonly #request: ReadinessRequest;
  readonly #stop = new AbortController();
  #needsPattern: boolean;
  #needsPort: boolean;
  #isTaken: boolean;
  #line: string | undefined;
  #timer: Timer | undefined;

  constructor(request: ReadinessRequest) {
    this.#request = request;
    this.#needsPattern = request.pattern;
    this.#needsPort = request.port !== undefined;
    this.#isTaken = request.wasTaken ?? false;
    if (request.port !== undefined) void this.#look(request.port, FIRST_PAUSE);
  }

  /** A line matched the pattern. */
  matched(line: string): void {
    if (!this.#needsPattern) return;
    this.#needsPattern = false;
    this.#line = line;
    this.#check();
  }

  /** Ends all looking; never ready from then on. */
  stop(): void {
    this.#stop.abort();
    this.#timer?.cancel();
  }

  async #look(port: number, pause: number): Promise<void> {
    const { probe = probePort, clock } = this.#request;
    const answers = await probe(port, this.#stop.signal);
    if (this.#stop.signal.aborted) return;
    if (!answers) this.#isTaken = false;
    if (answers && !this.#isTaken) {
      this.#needsPort = false;
      this.#check();
      return;
    }
    const next = Math.min(LONGEST_PAUSE, pause * 1.5);
    this.#timer = clock.after(pause, () => void this.#look(port, next));
  }

  #check(): void {
    if (this.#needsPattern || this.#needsPort || this.#stop.signal.aborted) return;
    this.stop();
    this.#request.onReady(this.#line);
  }
}

const DEFAULT_SECONDS = 30;

export class StartWait {
  readonly #clock: Clock;
  readonly #input: StartInput;
  readonly #announce: (text: string) => void;
  readonly #ready: Promise<"ready">;
  #resolveReady: (result: "ready") => void = () => undefined;
  #isLate = false;

  constructor(clock: Clock, input: StartInput, announce: (text: string) => void) {
    this.#clock = clock;
    this.#input = input;
    this.#announce = announce;
    this.#ready = new Promise((resolve) => {
      this.#resolveReady = resolve;
    });
  }

  ready(line: string | undefined): void {
    this.#resolveReady("ready");
    if (this.#isLate) this.#announce(this.#describe(line));
  }

  /** No call waits: whenever it is ready, that is announced. */
  announceReady(): void {
    this.#isLate = true;
  }

  /** Whether the port answers before the start: then it says nothing about the process. */
  async isPortTaken(probe: Probe = probePort, signal?: AbortSignal): Promise<boolean> {
    const { readyPort } = this.#input;
    if (readyPort === undefined) return false;
    return probe(readyPort, signal ?? new AbortController().signal);
  }

  async until(ended: Promise<void>, signal: AbortSignal | undefined): Promise<ReadinessResult> {
    const { readyPattern, readyPort, readyTimeoutSeconds = DEFAULT_SECONDS } = this.#input;
    if (readyPattern === undefined && readyPort === undefined) return "not_asked";
    let timer: Timer | undefined;
    let giveUp: () => void = () => undefined;
    const late = new Promise<"not_ready_yet">((resolve) => {
      giveUp = () => resolve("not_ready_yet");
    });
    timer = afterLong(this.#clock, readyTimeoutSeconds * 1000, giveUp);
    signal?.addEventListener("abort", giveUp);
    if (signal?.aborted) giveUp();
    const result = await Promise.race([this.#ready, ended.then(() => "ended" as const), late]);
    timer.cancel();
    signal?.removeEventListener("abort", giveUp);
    this.#isLate = result === "not_ready_yet";
    return result;
  }

  /** So long, counted from now, is waited for the end of a command that was not asked to become ready. */
  async forEnd(
    ended: Promise<void>,
    milliseconds: number,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    if (milliseconds <= 0 || signal?.aborted) return;
    let giveUp: () => void = () => undefined;
    const aborted = new Promise<void>((resolve) => {
      giveUp = resolve;
    });
    signal?.addEventListener("abort", giveUp);
    await within(this.#clock, milliseconds, Promise.race([ended, aborted]));
    signal?.removeEventListener("abort", giveUp);
  }

  #describe(line: string | undefined): string {
    const { readyPattern, readyPort } = this.#input;
    const parts: string[] = [];
    if (readyPattern !== undefined) {
      parts.push(`a line of its output matched ${readyPattern}${line ? ` (${line})` : ""}`);
    }
    if (readyPort !== undefined) parts.push(`port ${readyPort} accepts connections`);
    return `ready: ${parts.join(", ")}`;
  }
}
