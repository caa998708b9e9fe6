/**
 * The delivery of notices to one parent session, as a state machine without effects: `step` takes what happened into
 * the state, `plan` says what to do now. `channel.ts` carries it out.
 *
 *     nothing owed ─▶ waiting (ends that come together merge) ─▶ send ─▶ in flight ─▶ answered: nothing owed
 *                                                                            └─▶ no answer: confirm, ever more rarely
 *
 * At most one message of ours is under way. Nothing is sent to a session that was not used since this OpenCode
 * started, whose user has stopped it, that waits for an answer of its user, or that is archived: there the entries
 * are attached to the user's next message.
 */
import type { AssistantInfo } from "../host/host.js";
import type { Notice } from "./notice.js";

/** A user's message may take so long from our hook to the host's store: other plugins come after us. */
export const STORE_PATIENCE_MS = 60_000;
/** The merge window is at most so many times the quiet time asked for. */
const MERGE_STRETCH = 5;
/** Pause before an unanswered message of an idle parent is looked at, and after a failure; doubled each time. */
const FIRST_PAUSE_MS = 3_000;
const LONGEST_PAUSE_MS = 5 * 60_000;
/** The same for a busy parent, which reads the message at its next step. */
const BUSY_PAUSE_MS = 30_000;
/** Ids of stored user messages that are remembered. */
const MOST_STORED = 500;

/** As it is at first. */
class Initial {
  /** Used since this OpenCode started. */
  used = false;
  busy = false;
  /** The user stopped its run; only the user starts the next one. */
  stopped = false;
  /** Read from the host; only a run that the user started is told anything then. */
  archived = false;
  /** Its user has undone messages, which the next prompt would take away for good. */
  undone = false;
  /** Something was undone since the user typed last: what those messages told may have to be told again. */
  tellAgain = false;
  /** Questions to its user. */
  asked: ReadonlySet<string> = new Set();
  /** How often its user has typed or undone something: what was prepared before may be out of place. */
  changes = 0;
  /** What the user typed last; empty before the first time. */
  lastUserMessageID = "";
  /** Until then that message is awaited: what we sent meanwhile could be answered in its place. */
  userMessageUntil = 0;
  /** Messages of the user to which entries are being attached. */
  attaching = 0;
  /** What is being carried out. */
  action: "send" | "confirm" | undefined;
  /** Failures and looks in vain since the last answer. */
  attempts = 0;
  /** Nothing is sent before. */
  retryAt = 0;
  /** Since then the answer to what is in flight has been waited for anew. */
  lookedAt = Number.NEGATIVE_INFINITY;
  /** Since when there is something that might be sent. */
  mergingSince: number | undefined;
  /** User messages in the order in which the host first named them: ids do not tell it. */
  stored: readonly string[] = [];
  /** The host has last said that its run waits to ask the provider again. */
  retrying = false;
  stoppedStepID = "";
  /** The newest since the user typed last. */
  lastStep: AssistantInfo | undefined;
}

export type DeliveryState = Readonly<Initial>;
export const INITIAL: DeliveryState = new Initial();

export type DeliveryEvent =
  /** `goesOn`: a stop between two tries was ours, and the run goes on. */
  | { type: "used" | "busy" | "retry" | "idle" | "reverted" | "goesOn" }
  | { type: "updated"; archived: boolean }
  | { type: "asked" | "answered"; requestID: string }
  /** A user message is stored, ours among them. */
  | { type: "user"; messageID: string }
  | { type: "assistant"; message: AssistantInfo }
  /** An assistant has answered what was in flight. */
  | { type: "delivered" }
  /** The user has typed; the message is about to be stored. `attached`: what was owed is in it, or nothing was. */
  | { type: "typed"; messageID: string }
  | { type: "attached" }
  | { type: "began"; action: "send" | "confirm" }
  /** The host was asked how the session stands. */
  | { type: "looked"; archived: boolean; undone: boolean }
  | { type: "sent"; messageID: string }
  | { type: "confirmed"; busy: boolean; answered: boolean }
  | { type: "failed" }
  | { type: "finished" };

/** `now`, as all times here, in milliseconds of `clock.monotonic()`: setting the date moves nothing. */
export function step(state: DeliveryState, event: DeliveryEvent, now: number): DeliveryState {
  switch (event.type) {
    case "used":
      return { ...state, used: true };
    case "busy":
      return { ...state, used: true, busy: true, retrying: false };
    case "retry":
      return { ...state, retrying: true };
    case "goesOn":
      return { ...state, retrying: false, stopped: false };
    case "idle":
      // A run that is over waits for no answer any more. Ours is looked for sooner than while it was busy.
      return ended({ ...state, busy: false, asked: new Set(), lookedAt: now });
    case "asked":
      return { ...state, asked: new Set([...state.asked, event.requestID]) };
    case "answered":
      return { ...state, asked: new Set([...state.asked].filter((id) => id !== event.requestID)) };
    case "reverted":
      return { ...state, changes: state.changes + 1, undone: true, tellAgain: true };
    case "updated":
      return state.undone
        ? { ...state, archived: event.archived, undone: false, attempts: 0, retryAt: 0 }
        : { ...state, archived: event.archived };
    case "user":
      return stored(state, event.messageID);
    case "assistant":
      return answered(state, event.message);
    case "delivered":
      return { ...state, attempts: 0, retryAt: 0 };
    case "typed":
      return typed(state, event.messageID, now);
    case "attached":
      return { ...state, attaching: state.attaching - 1, lookedAt: now };
    case "began":
      return { ...state, action: event.action, mergingSince: undefined };
    case "looked":
      return { ...state, archived: event.archived, undone: event.undone };
    case "sent":
      return { ...stored(state, event.messageID), retryAt: 0, lookedAt: now };
    case "confirmed":
      return event.busy || event.answered
        ? { ...state, busy: event.busy, lookedAt: now }
        : backOff({ ...state, busy: false }, now);
    case "failed":
      return backOff(state, now);
    case "finished":
    default:
      return { ...state, action: undefined };
  }
}

function backOff(state: DeliveryState, now: number): DeliveryState {
  const retryAt = now + pauseOf(state);
  return { ...state, attempts: state.attempts + 1, retryAt, lookedAt: now };
}

function pauseOf({ attempts }: DeliveryState): number {
  return Math.min(FIRST_PAUSE_MS * 2 ** Math.min(attempts, 10), LONGEST_PAUSE_MS);
}

/** Idle. All that the host says of a stop between two tries: the step is over, without a reason. */
function ended(state: DeliveryState): DeliveryState {
  const { lastStep: last, retrying } = state;
  // A shell command of the user's ends like that, too, but waits for no provider.
  const isCut = retrying && last?.completed && last.finish === undefined && !last.error;
  return isCut ? stop(state, last.id) : state;
}

function answered(state: DeliveryState, message: AssistantInfo): DeliveryState {
  const next = message.summary ? state : { ...state, lastStep: message };
  if (message.id === state.stoppedStepID) return next;
  if (message.error?.name === "MessageAbortedError") return stop(next, message.id);
  // What the user typed after the stop is being answered.
  return message.parentID === state.lastUserMessageID ? { ...next, stopped: false } : next;
}

function stop(state: DeliveryState, stoppedStepID: string): DeliveryState {
  return stoppedStepID === state.stoppedStepID ? state : { ...state, stoppedStepID, stopped: true };
}

function typed(state: DeliveryState, messageID: string, now: number): DeliveryState {
  return {
    ...state,
    used: true,
    busy: true,
    stopped: false,
    lastUserMessageID: messageID,
    changes: state.changes + 1,
    lastStep: undefined,
    userMessageUntil: now + STORE_PATIENCE_MS,
    attaching: state.attaching + 1,
    mergingSince: undefined,
  };
}

function stored(state: DeliveryState, messageID: string): DeliveryState {
  const isAwaited = messageID === state.lastUserMessageID;
  return {
    ...state,
    userMessageUntil: isAwaited ? 0 : state.userMessageUntil,
    // The host names old ones again.
    stored: state.stored.includes(messageID)
      ? state.stored
      : [...state.stored, messageID].slice(-MOST_STORED),
  };
}

/** What stands in the outbox for the session, as far as it matters here. */
interface Owed {
  /** May go out: not under way, and of no job that is held back. */
  readonly waiting: readonly Notice[];
  readonly inFlight: readonly Notice[];
  /** When the newest of what is in flight was sent; with nothing in flight, when the newest that waits was made. */
  readonly newest: number;
  /** Asked only when nothing else is in the way: whether these are worth a turn now. */
  readonly mayWake: () => boolean;
  /** Quiet time in which entries merge. */
  readonly mergeMilliseconds: number;
}

type Plan = { do: "nothing" } | { do: "wait"; until: number } | { do: "send" | "confirm" };

const NOTHING: Plan = { do: "nothing" };

/** What to do now, and the state that remembers since when entries merge. */
export function plan(
  state: DeliveryState,
  owed: Owed,
  now: number,
): { state: DeliveryState; plan: Plan } {
  const rest = { ...state, mergingSince: undefined };
  if (state.action || state.attaching > 0 || !state.used || state.stopped) {
    return { state, plan: NOTHING };
  }
  if (isPutAway(state)) return { state: rest, plan: NOTHING };
  if (owed.inFlight.length > 0) {
    const since = Math.max(state.lookedAt, owed.newest);
    return {
      state: rest,
      plan: at(since + (state.busy ? BUSY_PAUSE_MS : pauseOf(state)), "confirm", now),
    };
  }
  if (owed.waiting.length === 0 || state.asked.size > 0 || !owed.mayWake()) {
    return { state: rest, plan: NOTHING };
  }
  const { mergeMilliseconds } = owed;
  const mergingSince = state.mergingSince ?? now;
  const quietUntil = Math.max(owed.newest, mergingSince) + mergeMilliseconds;
  const latest = mergingSince + MERGE_STRETCH * mergeMilliseconds;
  const due = Math.max(Math.min(quietUntil, latest), state.retryAt, state.userMessageUntil);
  return { state: { ...state, mergingSince }, plan: at(due, "send", now) };
}

function at(due: number, what: "send" | "confirm", now: number): Plan {
  return due <= now ? { do: what } : { do: "wait", until: due };
}

function isPutAway({ archived, busy }: DeliveryState): boolean {
  return archived && !busy;
}

/**
 * Whether a message that was begun at `changes` may go out. False while the user has stopped the session or is asked
 * something, and once they have typed or undone something: it may be in another agent than they chose now.
 */
export function maySend(state: DeliveryState, changes: number, now: number): boolean {
  const isFree = !state.stopped && state.asked.size === 0 && now >= state.userMessageUntil;
  return isFree && !isPutAway(state) && !state.undone && state.changes === changes;
}

/**
 * The stored messages that an answer to this one has read: each step reads all that is stored. An id does not tell the
 * order, for it is made before its message is stored, and messages overtake each other; it is the best guess for a
 * message whose own event was lost.
 */
export function readBy({ stored: all }: DeliveryState, parentID: string): Set<string> {
  const position = all.indexOf(parentID);
  const before = position < 0 ? all.filter((id) => id < parentID) : all.slice(0, position);
  return new Set([...before, parentID]);
}
