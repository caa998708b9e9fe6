/**
 * When a process is ready: a line of its output matched, its port accepts connections, or (when both are asked for)
 * both. It goes on looking until it is ready or stopped. A start waits for that, the end, its time limit or the
 * caller's abort, whichever comes first; readiness that comes after the wait is announced instead.
 */
import { connect } from "node:net";
import { networkInterfaces } from "node:os";
import type { ProcessJob } from "../jobs/job.js";
import type { Clock, Timer } from "../ports.js";
import { within } from "../time.js";
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

interface ReadinessDeps {
  /** The port answered before the start: only what answers after it has been silent is the process itself. */
  wasTaken?: boolean;
  clock: Clock;
  probe?: Probe;
  /** With the line that matched, when one was asked for. Never called for a job that is not asked to be ready. */
  onReady: (line: string | undefined) => void;
}

const FIRST_PAUSE = 50;
const LONGEST_PAUSE = 1000;

export class Readiness {
  readonly #deps: ReadinessDeps;
  readonly #stop = new AbortController();
  #needsPattern: boolean;
  #needsPort: boolean;
  #isTaken: boolean;
  #line: string | undefined;
  #timer: Timer | undefined;

  constructor(
    { readyPattern, readyPort }: Pick<ProcessJob, "readyPattern" | "readyPort">,
    deps: ReadinessDeps,
  ) {
    this.#deps = deps;
    this.#needsPattern = readyPattern !== undefined;
    this.#needsPort = readyPort !== undefined;
    this.#isTaken = deps.wasTaken ?? false;
    if (readyPort !== undefined) void this.#look(readyPort, FIRST_PAUSE);
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
    const { probe = probePort, clock } = this.#deps;
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
    this.#deps.onReady(this.#line);
  }
}

/** Before a start: what answers then says nothing about the process. */
export async function isPortTaken(
  port: number | undefined,
  probe: Probe = probePort,
  signal: AbortSignal = new AbortController().signal,
): Promise<boolean> {
  return port !== undefined && probe(port, signal);
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

  async until(ended: Promise<void>, signal: AbortSignal | undefined): Promise<ReadinessResult> {
    const { readyPattern, readyPort, readyTimeoutSeconds = DEFAULT_SECONDS } = this.#input;
    if (readyPattern === undefined && readyPort === undefined) return "not_asked";
    const first = Promise.race([this.#ready, ended.then(() => "ended" as const)]);
    if (await within(this.#clock, readyTimeoutSeconds * 1000, first, signal)) return first;
    this.#isLate = true;
    return "not_ready_yet";
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
