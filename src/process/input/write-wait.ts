/**
 * What a write waits for: a line that matches, the end, the caller's abort or the time, whichever comes first; without
 * a pattern and a time a pause of what it printed.
 */
import { checkPattern, type PatternGuard } from "../../output/pattern.js";
import type { ReadRequest, ReadResult } from "../../output/types.js";
import type { Clock, Timer } from "../../ports.js";
import type { Capture } from "../capture.js";
import type { WriteRequest } from "../types.js";

const DEFAULT_SECONDS = 2;
const PAUSE_MILLISECONDS = 400;

interface WaitDeps {
  clock: Clock;
  guard: PatternGuard;
  /** What is typed is printed. */
  hasEcho: boolean;
}

interface Waited {
  output: ReadResult;
  matched: boolean | undefined;
}

export class WriteWait {
  readonly #capture: Capture;
  readonly #read: (request: ReadRequest) => Promise<ReadResult>;
  readonly #deps: WaitDeps;
  readonly #request: WriteRequest;
  #from = 0;

  constructor(
    capture: Capture,
    read: (request: ReadRequest) => Promise<ReadResult>,
    deps: WaitDeps,
    request: WriteRequest,
  ) {
    this.#capture = capture;
    this.#read = read;
    this.#deps = deps;
    this.#request = request;
    if (request.waitPattern !== undefined) checkPattern("waitPattern", request.waitPattern);
  }

  /** What is printed from here on counts. */
  begin(): void {
    this.#from = this.#capture.log.bytes;
  }

  async until(ended: Promise<void>): Promise<Waited> {
    const { waitPattern, waitSeconds, signal } = this.#request;
    const { clock } = this.#deps;
    let isOver = false;
    let wake: () => void = () => undefined;
    let quiet: Timer | undefined;
    const stop = () => {
      isOver = true;
      wake();
    };
    const endsWithPause = waitPattern === undefined && waitSeconds === undefined;
    const heard = () => {
      quiet?.cancel();
      if (endsWithPause) quiet = clock.after(PAUSE_MILLISECONDS, stop);
      wake();
    };
    const limit = clock.after((waitSeconds ?? DEFAULT_SECONDS) * 1_000, stop);
    const stopListening = this.#capture.onOutput(heard);
    signal?.addEventListener("abort", stop);
    if (signal?.aborted) stop();
    void ended.then(stop);
    try {
      for (;;) {
        const seen = this.#capture.log.bytes;
        if (waitPattern !== undefined && (await this.#matches(waitPattern))) {
          return { output: await this.#since(), matched: true };
        }
        if (isOver) break;
        if (waitPattern !== undefined && this.#capture.log.bytes > seen) continue;
        await new Promise<void>((resolve) => {
          wake = resolve;
          if (isOver) resolve();
        });
      }
      const matched = waitPattern === undefined ? undefined : false;
      return { output: await this.#since(), matched };
    } finally {
      quiet?.cancel();
      limit.cancel();
      stopListening();
      signal?.removeEventListener("abort", stop);
    }
  }

  async #since(): Promise<ReadResult> {
    const { quoted, maxBytes } = this.#request;
    return this.#read({ mode: "full", cursor: this.#from, quoted, maxBytes });
  }

  /** A terminal shows what is typed: the first line that ends with it is no answer. */
  async #matches(pattern: string): Promise<boolean> {
    const { text = "" } = this.#request;
    const echoes = this.#deps.hasEcho ? text.split(/[\r\n]+/u).filter((line) => line.trim()) : [];
    const { lines } = await this.#read({ mode: "tail", cursor: this.#from, maxBytes: 40_000 });
    const printed = lines
      .map((line) => line.text)
      .filter((line) => {
        const echo = echoes.findIndex((each) => line.endsWith(each));
        if (echo >= 0) echoes.splice(echo, 1);
        return echo < 0;
      });
    return (await this.#deps.guard.match(pattern, printed)).hits.length > 0;
  }
}
