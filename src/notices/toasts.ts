/** What the user sees in the terminal when jobs end, block or stall: one toast for what comes together. */
import type { Clock, Timer } from "../ports.js";
import type { Toast } from "../host/host.js";
import type { Job } from "../jobs/job.js";
import { oneLine } from "../text.js";

const MERGE_MS = 300;

export class Toasts {
  readonly #clock: Clock;
  readonly #show: (message: string, variant: Toast["variant"]) => void;
  #lines: { text: string; bad: boolean }[] = [];
  #timer: Timer | undefined;

  constructor(clock: Clock, show: (message: string, variant: Toast["variant"]) => void) {
    this.#clock = clock;
    this.#show = show;
  }

  ended(job: Job): void {
    const outcome =
      job.status === "completed" ? "completed" : `${job.status}: ${job.endReason ?? ""}`;
    this.#add(`${oneLine(job.name, 40)} ${outcome}`, job.status === "failed");
  }

  /** Blocked or stalled: somebody should look. */
  concern(job: Job, what: string): void {
    this.#add(`${oneLine(job.name, 40)}: ${oneLine(what, 80)}`, true);
  }

  dispose(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#lines = [];
  }

  #add(text: string, bad: boolean): void {
    this.#lines.push({ text, bad });
    this.#timer ??= this.#clock.after(MERGE_MS, () => {
      this.#timer = undefined;
      const lines = this.#lines;
      this.#lines = [];
      const shown = lines.slice(0, 4).map((line) => line.text);
      const more = lines.length > shown.length ? [`and ${lines.length - shown.length} more`] : [];
      this.#show(
        [...shown, ...more].join("\n"),
        lines.some((line) => line.bad) ? "warning" : "success",
      );
    });
  }
}
