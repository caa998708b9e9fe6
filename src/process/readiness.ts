/**
 * When a process is ready: a line of its output matched, its port accepts connections, or (when both are asked
 * for) both. It goes on looking until it is ready or stopped; how long a caller waits for it is decided there.
 */
import { connect } from "node:net";
import { networkInterfaces } from "node:os";
import type { ProcessJob } from "../jobs/job.js";
import type { Clock, Timer } from "../ports.js";

/** Whether TCP connections to this port are accepted on any address of this machine. */
export type Probe = (port: number, signal: AbortSignal) => Promise<boolean>;

/** The last is what Debian's `/etc/hosts` gives for the machine's own name. */
const LOOPBACK = ["127.0.0.1", "::1", "127.0.1.1"];
const PROBE_MILLISECONDS = 2000;

/** A server may listen on one address only, so each is tried. */
export const probePort: Probe = async (port, signal) => {
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

export interface ReadinessRequest {
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
