/**
 * What a start waits for: readiness, the end, the time limit or whoever gives up the wait; whichever comes first.
 * Readiness that comes after the wait is told instead.
 */
import type { Clock, Timer } from "../ports.js";
import { afterLong } from "../time.js";
import { probePort, type Probe } from "./readiness.js";
import type { CreateInput, ReadinessResult } from "./types.js";

const DEFAULT_SECONDS = 30;

export class StartWait {
  readonly #clock: Clock;
  readonly #input: CreateInput;
  readonly #tellLate: (text: string) => void;
  readonly #ready: Promise<"ready">;
  #resolveReady: (result: "ready") => void = () => undefined;
  #isLate = false;

  constructor(clock: Clock, input: CreateInput, tellLate: (text: string) => void) {
    this.#clock = clock;
    this.#input = input;
    this.#tellLate = tellLate;
    this.#ready = new Promise((resolve) => {
      this.#resolveReady = resolve;
    });
  }

  ready(): void {
    this.#resolveReady("ready");
    if (this.#isLate) this.#tellLate(this.#describe());
  }

  /** A port that answers before the start says nothing about the process. */
  async portWarning(probe: Probe = probePort, signal?: AbortSignal): Promise<string[]> {
    const { readyPort } = this.#input;
    if (readyPort === undefined) return [];
    if (!(await probe(readyPort, signal ?? new AbortController().signal))) return [];
    return [
      `Port ${readyPort} was answering before the start: another process has it, so readiness by it means nothing.`,
    ];
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

  #describe(): string {
    const { readyPattern, readyPort } = this.#input;
    const parts: string[] = [];
    if (readyPattern !== undefined) parts.push(`a line of its output matched ${readyPattern}`);
    if (readyPort !== undefined) parts.push(`port ${readyPort} accepts connections`);
    return `ready: ${parts.join(", ")}`;
  }
}
