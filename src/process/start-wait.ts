/**
 * What a start waits for: readiness, the end, the time limit or the caller's abort, whichever comes first. Readiness
 * that comes after the wait is announced instead.
 */
import type { Clock, Timer } from "../ports.js";
import { afterLong, within } from "../time.js";
import { probePort, type Probe } from "./readiness.js";
import type { StartInput } from "./check-input.js";
import type { ReadinessResult } from "./types.js";

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
