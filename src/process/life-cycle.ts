/**
 * When a process begins, is started again and is over: one pure function of state, event and time, which nothing but
 * `life.ts` acts upon. An end that is asked for always wins over the next start, in whichever order the two come.
 *
 *     fresh ── start ──▶ running ── exited ──▶ waiting (the policy) ── due ──▶ running
 *                           │                     └─ stop ──▶ over
 *                           ├─ exited (no policy, or too often) ──▶ over
 *                           ├─ stop ──▶ stopping ── exited ──▶ over
 *                           └─ replace ──▶ replacing ── exited ──▶ vacant ── start ──▶ running
 *
 * The words are those of systemd and process-compose: a policy, a backoff, a limit of starts within a time.
 */
import type { RestartPolicy } from "../jobs/job.js";

/** What a run's end was: by itself, well or not; ended by us; or it could not begin at all. */
export type RunEnd = "completed" | "failed" | "killed" | "never_started";

export type LifeEvent =
  /** A run begins, by an agent or by the user. */
  | { type: "start" }
  | { type: "exited"; end: RunEnd; policy: RestartPolicy | undefined }
  /** It is to be ended for good. */
  | { type: "stop" }
  /** It is to be ended and started again. */
  | { type: "replace" }
  /** It could not be ended: it runs on. */
  | { type: "survived" }
  /** The pause before its next run is over. */
  | { type: "due" };

export type Phase =
  | "fresh"
  | "running"
  /** Its run is being ended; a new one follows. */
  | "replacing"
  /** Its run has ended; the new one begins when its port is free. */
  | "vacant"
  /** The policy starts it again in a moment. */
  | "waiting"
  | "stopping"
  | "over";

export interface LifeState {
  readonly phase: Phase;
  /** When the latest run began. Times are milliseconds of a clock that never goes back. */
  readonly startedAt: number;
  /** When the policy started it again, within the last five minutes. */
  readonly restarts: readonly number[];
  /** The next pause. */
  readonly backoff: number;
}

/** What is to be done about a step. */
export type LifeAction =
  | { type: "nothing" }
  | { type: "start" }
  | { type: "end_run" }
  /** The record ends. */
  | { type: "end" }
  /** The record ends as a crash loop of so many ends in so many milliseconds. */
  | { type: "crash_loop"; ends: number; milliseconds: number }
  | { type: "wait"; milliseconds: number }
  /** The request is not granted: of a phase in which it is no use. */
  | { type: "refuse" };

export interface LifeStep {
  state: LifeState;
  action: LifeAction;
}

const FIRST_BACKOFF = 1_000;
const LONGEST_BACKOFF = 60_000;
/** A run that lived so long was a good one: the next pause is the first again. */
const GOOD_LIFE = 60_000;
const MOST_RESTARTS = 5;
const WINDOW = 5 * 60_000;

export const NEW_LIFE: LifeState = {
  phase: "fresh",
  startedAt: 0,
  restarts: [],
  backoff: FIRST_BACKOFF,
};

/** Of each phase the events that move it; every other event changes nothing. Of what exits the policy decides. */
const TABLE: Readonly<Record<Phase, Partial<Record<LifeEvent["type"], Phase | "refused">>>> = {
  fresh: { start: "running", stop: "over", replace: "vacant" },
  running: { stop: "stopping", replace: "replacing" },
  replacing: { exited: "vacant", stop: "stopping", replace: "refused", survived: "running" },
  vacant: { start: "running", stop: "over", replace: "refused" },
  waiting: { due: "running", stop: "over", replace: "vacant" },
  stopping: { exited: "over", replace: "refused", survived: "running" },
  over: { replace: "vacant", start: "refused" },
};

export function step(state: LifeState, event: LifeEvent, now: number): LifeStep {
  if (state.phase === "running" && event.type === "exited") return exited(state, event, now);
  const to = TABLE[state.phase][event.type];
  if (to === undefined) return { state, action: { type: "nothing" } };
  if (to === "refused") return { state, action: { type: "refuse" } };
  const next = { ...state, phase: to };
  switch (to) {
    case "running":
      if (event.type === "survived") return { state: next, action: { type: "nothing" } };
      return { state: { ...next, startedAt: now }, action: { type: "start" } };
    case "stopping":
      return { state: next, action: { type: "end_run" } };
    case "replacing":
      return { state: forget(next), action: { type: "end_run" } };
    case "over":
      return { state: next, action: { type: "end" } };
    default:
      return { state: forget(next), action: { type: "nothing" } };
  }
}

/** What an agent or the user starts again begins with a clean record. */
function forget(state: LifeState): LifeState {
  return { ...state, restarts: [], backoff: FIRST_BACKOFF };
}

function exited(
  state: LifeState,
  { end, policy }: Extract<LifeEvent, { type: "exited" }>,
  now: number,
): LifeStep {
  const { startedAt, backoff } = state;
  const again = end === "failed" || (end === "completed" && policy === "always");
  if (policy === undefined || !again) return over(state, { type: "end" });
  const restarts = state.restarts.filter((at) => now - at < WINDOW);
  if (restarts.length >= MOST_RESTARTS) {
    const since = now - (restarts[0] ?? now);
    return over(state, { type: "crash_loop", ends: restarts.length + 1, milliseconds: since });
  }
  const pause = now - startedAt >= GOOD_LIFE ? FIRST_BACKOFF : backoff;
  const next = {
    ...state,
    phase: "waiting" as const,
    restarts: [...restarts, now + pause],
    backoff: Math.min(LONGEST_BACKOFF, pause * 2),
  };
  return { state: next, action: { type: "wait", milliseconds: pause } };
}

function over(state: LifeState, action: LifeAction): LifeStep {
  return { state: { ...state, phase: "over" }, action };
}
