/** In what state a job is for the eye, in the terminal and on the page: its sign, its colour, its urgency. Pure. */

/** What a colour says; the theme has the colours. */
export type Tone = "text" | "muted" | "good" | "warning" | "bad" | "active";

export type Look =
  | "blocked"
  | "stalled"
  | "running"
  | "pending"
  | "completed"
  | "failed"
  | "cancelled"
  /** Its OpenCode ended without ending it; the next one to start here settles it. */
  | "lost";

export const SIGNS: Readonly<Record<Look, { sign: string; tone: Tone }>> = {
  blocked: { sign: "▲", tone: "warning" },
  stalled: { sign: "◌", tone: "warning" },
  running: { sign: "●", tone: "active" },
  pending: { sign: "○", tone: "muted" },
  completed: { sign: "✓", tone: "good" },
  failed: { sign: "✗", tone: "bad" },
  cancelled: { sign: "■", tone: "muted" },
  lost: { sign: "?", tone: "warning" },
};

/** Of jobs that go on, the most urgent first. */
export const LIVE_LOOKS: readonly Look[] = ["blocked", "stalled", "running", "pending"];

interface Standing {
  status: Exclude<Look, "blocked" | "stalled" | "lost">;
  blockedOn?: unknown;
  stalledSince?: unknown;
}

export function lookAt({ status, blockedOn, stalledSince }: Standing, ownerAlive: boolean): Look {
  if (status !== "running" && status !== "pending") return status;
  if (!ownerAlive) return "lost";
  if (status === "pending") return "pending";
  if (blockedOn) return "blocked";
  return stalledSince ? "stalled" : "running";
}
