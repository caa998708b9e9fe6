// Owns: a recording played to the subagents: a host that answers what the recorded one had stored by then, and
// events in whatever order a test chooses. Promises: the child's session and the prompts' ids are the recorded
// ones, for the ids that we make are given out in the recorded order.
import { IdSource } from "../../src/host/ids.js";
import { translateEvent } from "../../src/host/events.js";
import type { Message, PromptInput } from "../../src/host/host.js";
import type { Options } from "../../src/options.js";
import { loadRecording, type Recording } from "../../fixtures/recordings/format.js";
import { settle, type FakeClock } from "./clock.js";
import { FakeHost } from "./host.js";
import type { LaunchInput } from "../../src/subagent/manager.js";
import { House } from "./house.js";
import { Projector, type RawEvent } from "./projector.js";

/** Gives out the recorded ids of prompts before any of its own. */
class RecordedIds extends IdSource {
  readonly #recorded: string[];

  constructor(recorded: readonly string[], clock: FakeClock) {
    super(() => clock.now());
    this.#recorded = [...recorded];
  }

  override next(prefix: "msg" | "prt"): string {
    return (prefix === "msg" && this.#recorded.shift()) || super.next(prefix);
  }
}

class RecordedHost extends FakeHost {
  readonly stored = new Projector();
  promptAnswered: Promise<void> = Promise.resolve();
  readonly #child: string;

  constructor(clock: FakeClock, child: string) {
    super(clock);
    this.#child = child;
  }

  override createSession(input: Parameters<FakeHost["createSession"]>[0]) {
    this.addSession({ ...input, id: this.#child });
    const stored = this.sessions.get(this.#child);
    return stored ? Promise.resolve(stored.info) : Promise.reject(new Error("no child session"));
  }

  /** The recorded host stores it when the recording says so. */
  override async prompt(input: PromptInput) {
    this.prompts.push(input);
    await this.promptAnswered;
  }

  override async session(sessionID: string) {
    return this.stored.exists(sessionID) ? super.session(sessionID) : undefined;
  }

  override async busySessions() {
    await super.busySessions();
    return new Set(this.stored.busy);
  }

  /**
   * The parent's own messages are not in the recording. A prompt of the recording that is sent as a notice is stored
   * as one.
   */
  override async messages(sessionID: string, limit?: number): Promise<Message[]> {
    const own = await super.messages(sessionID, limit);
    if (sessionID !== this.#child) return own;
    const notices = new Set(this.prompts.flatMap((sent) => (sent.synthetic ? sent.messageID : [])));
    return this.stored
      .messages(sessionID)
      .map((message) =>
        message.role === "user" && notices.has(message.id) ? { ...message, real: false } : message,
      );
  }
}

export class Replay {
  readonly house: House;
  readonly host: RecordedHost;
  readonly child: string;
  readonly parent: string;
  readonly events: readonly RawEvent[];
  /** The ids of the prompts that count as ours, in order. */
  readonly prompts: readonly string[];
  #applied = 0;
  #id = "";

  constructor(name: string, settings: { options?: Partial<Options>; prompts?: string[] } = {}) {
    const recording: Recording = loadRecording(name);
    const { sessions, messages } = recording;
    this.child = sessions["child"] ?? sessions["root"] ?? "";
    this.parent = sessions["parent"] ?? "ses_parent";
    const roles = settings.prompts ?? ["first"];
    this.prompts = roles.flatMap((role) => messages[role] ?? []);
    this.events = recording.events.map(({ event }) => event);
    let host: RecordedHost | undefined;
    this.house = new House({
      options: settings.options ?? {},
      host: (clock) => (host = new RecordedHost(clock, this.child)),
      ids: (clock) => new RecordedIds(this.prompts, clock),
    });
    if (!host) throw new Error("the house was not given its host");
    this.host = host;
    host.addSession({ id: this.parent });
    host.addUser(this.parent);
  }

  get id(): string {
    return this.#id;
  }

  async launch(more: Partial<LaunchInput> = {}): Promise<void> {
    const task = await this.house.launch({ parentSessionID: this.parent, ...more });
    this.#id = task.id;
  }

  /** What the host has stored after so many events; time does not go back. */
  storeUpTo(count: number): void {
    for (; this.#applied < Math.min(count, this.events.length); this.#applied++) {
      const event = this.events[this.#applied];
      if (event) this.host.stored.apply(event);
    }
  }

  /** An event of the recording arrives. */
  deliver(index: number): void {
    const event = this.events[index];
    const translated = event && translateEvent(event);
    if (translated) this.house.event(translated);
  }

  /** Everything in the recorded order, each event so many times; `until` stops before an event. */
  async play(times = 1, from = 0, until = this.events.length): Promise<void> {
    for (let index = from; index < until; index++) {
      this.storeUpTo(index + 1);
      for (let time = 0; time < times; time++) this.deliver(index);
      await settle();
    }
  }

  /** The slow check and all pauses have had their time. */
  async rest(): Promise<void> {
    this.storeUpTo(this.events.length);
    await this.house.clock.advance(3 * 60_000);
  }

  /** Where the user message of a prompt arrives. */
  indexOfPrompt(messageID: string): number {
    return this.events.findIndex(
      ({ type, properties }) =>
        type === "message.updated" && JSON.stringify(properties["info"]).includes(`"${messageID}"`),
    );
  }
}
