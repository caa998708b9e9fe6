/** What the user sees in the terminal when jobs end, block or stall: one toast for what comes together. */
import type { Clock, Timer } from "../ports.js";
import type { Toast } from "../host/host.js";
import type { Job } from "../jobs/job.js";
import { oneLine, quoted } from "../text.js";

type Concern = "blocked" | "password" | "stalled";

const CONCERNS: Readonly<Record<Concern, string>> = {
  blocked: "waits for you",
  password: "asks for a password, type it in its dialog (/background)",
  stalled: "stalled",
};

const MERGE_MS = 300;
const MOST_LINES = 4;

export class Toasts {
  readonly #clock: Clock;
  readonly #show: (message: string, variant: Toast["variant"]) => void;
  #lines: { text: string; bad: boolean }[] = [];
  #timer: Timer | undefined;

  constructor(clock: Clock, show: (message: string, variant: Toast["variant"]) => void) {
    this.#clock = clock;
    this.#show = show;
  }

  // A name comes from the model: quoted, it cannot pass for what became of another job.
  ended(job: Job): void {
    this.#add(`${quoted(job.name, 40)} ${outcome(job)}`, job.status === "failed");
  }

  /** The user should look. `what`: what is asked, or what is known of the silence. */
  concern(job: Job, kind: Concern, what: string): void {
    this.#add(`${quoted(job.name, 40)} ${CONCERNS[kind]}: ${oneLine(what, 80)}`, true);
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
      const shown = lines.slice(0, MOST_LINES).map((line) => line.text);
      const more = lines.length > shown.length ? [`and ${lines.length - shown.length} more`] : [];
      this.#show(
        [...shown, ...more].join("\n"),
        lines.some((line) => line.bad) ? "warning" : "success",
      );
    });
  }
}

/** How a job ended, for people: "completed", "failed: exit 7", "failed: HTTP 401: no key", "cancelled by you". */
function outcome(job: Job): string {
  if (job.status === "completed") return "completed";
  if (job.status === "cancelled") return `cancelled ${CANCELLED[job.endReason ?? ""] ?? ""}`.trim();
  return `failed: ${whyFailed(job)}`;
}

const CANCELLED: Readonly<Record<string, string>> = {
  cancelled_by_agent: "by the agent",
  cancelled_by_user: "by you",
  session_deleted: "with its session",
};

function whyFailed(job: Job): string {
  if (job.kind === "process" && job.endReason === "error") {
    if (job.signal !== undefined) return `ended by ${job.signal}`;
    if (job.exitCode !== undefined) return `exit ${job.exitCode}`;
  }
  return oneLine(job.error ?? (job.endReason ?? "unknown").replaceAll("_", " "), 80);
}
