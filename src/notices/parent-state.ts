/**
 * What is known of a parent session: whether it works, whether its user has stopped it or is asked something, and
 * whether a message of the user is on its way. Says when something of ours may be sent; sends nothing.
 */
import type { AssistantInfo } from "../host/host.js";

/** A user's message may take so long from our hook to the host's store: other plugins come after us. */
export const STORE_PATIENCE_MS = 60_000;

export class ParentState {
  /** Used since this OpenCode started. */
  awake = false;
  busy = false;
  /** The user stopped its run; only the user starts the next one. */
  stopped = false;
  /** What the user typed last; empty before the first time. */
  lastUserMessageID = "";
  /** How often its user has typed or undone something: what was prepared before may be out of place. */
  changes = 0;
  readonly #asked = new Set<string>();
  /** The host has last said that its run waits to ask the provider again. */
  #retrying = false;
  #undone = false;
  /** Until then that message is awaited: what we sent meanwhile could be answered in its place. */
  #userComesUntil = 0;
  #stoppedStepID = "";
  /** The newest since the user typed last. */
  #lastStep: AssistantInfo | undefined;

  /** Not before this time, in milliseconds. */
  get freeAt(): number {
    return this.#userComesUntil;
  }

  /** It waits for an answer of its user. */
  get isAsked(): boolean {
    return this.#asked.size > 0;
  }

  maySend(now: number): boolean {
    return !this.stopped && !this.isAsked && now >= this.#userComesUntil;
  }

  works(): void {
    this.awake = true;
    this.busy = true;
    this.#retrying = false;
  }

  waitsToRetry(): void {
    this.#retrying = true;
  }

  asked(requestID: string): void {
    this.#asked.add(requestID);
  }

  /** False when it is not known to be asked this. */
  answered(requestID: string): boolean {
    return this.#asked.delete(requestID);
  }

  /** Idle: true when the user has just stopped a run that waited to ask its provider again. */
  ended(): boolean {
    this.busy = false;
    // A run that is over waits for no answer any more.
    this.#asked.clear();
    const step = this.#lastStep;
    // All that the host says of such a stop: the step is over, without a reason. So is a shell command of the user's.
    const isCut = this.#retrying && step?.completed && step.finish === undefined && !step.error;
    return isCut ? this.#stop(step.id) : false;
  }

  /** The user has typed; the message is about to be stored. */
  userComes(messageID: string, now: number): void {
    this.awake = true;
    this.busy = true;
    this.stopped = false;
    this.lastUserMessageID = messageID;
    this.changes += 1;
    this.#lastStep = undefined;
    this.#userComesUntil = now + STORE_PATIENCE_MS;
  }

  undone(): void {
    this.changes += 1;
    this.#undone = true;
  }

  /** Whether something was undone since this was asked last. */
  takeUndone(): boolean {
    const undone = this.#undone;
    this.#undone = false;
    return undone;
  }

  stored(messageID: string): void {
    if (messageID === this.lastUserMessageID) this.#userComesUntil = 0;
  }

  /** True when the user has just stopped the run that this step belongs to. */
  stoppedBy(step: AssistantInfo): boolean {
    if (!step.summary) this.#lastStep = step;
    if (step.id === this.#stoppedStepID) return false;
    if (step.error?.name === "MessageAbortedError") return this.#stop(step.id);
    // What the user typed after the stop is being answered.
    if (step.parentID === this.lastUserMessageID) this.stopped = false;
    return false;
  }

  /** False for a stop that is known. */
  #stop(stepID: string): boolean {
    if (stepID === this.#stoppedStepID) return false;
    this.#stoppedStepID = stepID;
    const isNews = !this.stopped;
    this.stopped = true;
    return isNews;
  }
}
