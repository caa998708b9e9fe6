// Owns: a parent session as its user and the host drive it: typed messages through the hook, runs of steps that
// read all that is stored, ESC, questions, compaction. Promises: it knows what each turn of its model saw.
import { HostError, type Message } from "../../src/host/host.js";
import { settle } from "./clock.js";
import type { Stage } from "./stage.js";

export class Parent {
  readonly id: string;
  readonly #house: Stage;
  /** Whether a prompt of ours to the idle session starts a turn, as it should. */
  answersPrompts = true;
  /** The next so many prompts are stored, and the host's answer to us is lost. */
  losesAnswers = 0;
  #running = false;
  #questions = 0;

  constructor(house: Stage) {
    this.#house = house;
    this.id = house.host.addRoot();
    const before = house.host.onPrompt;
    house.host.onPrompt = (input) => {
      before(input);
      if (input.sessionID !== this.id) return;
      house.event({ type: "user", sessionID: this.id, messageID: input.messageID });
      if (this.answersPrompts) this.#start();
      if (this.losesAnswers > 0) {
        this.losesAnswers -= 1;
        throw new HostError("could not prompt: no answer");
      }
    };
  }

  get running(): boolean {
    return this.#running;
  }

  get stored(): readonly Message[] {
    return this.#house.host.sessions.get(this.id)?.messages ?? [];
  }

  /** Our messages that no turn has read, by id. */
  get unanswered(): string[] {
    return this.stored
      .slice(this.#lastRead + 1)
      .flatMap((message) =>
        message.role === "user" && !message.real && message.text ? message.id : [],
      );
  }

  /** Where the newest message that a turn has read is stored. */
  get #lastRead(): number {
    const answered = this.stored.flatMap((message) =>
      message.role === "assistant" && !message.summary ? message.parentID : [],
    );
    return this.stored.findLastIndex(({ id }) => answered.includes(id));
  }

  /** In how many stored messages these words stand, and whether a turn has read each of them. */
  told(words: string): { times: number; read: boolean } {
    const carriers = this.stored.filter(
      (message) => message.role === "user" && message.text.includes(words),
    );
    const read = carriers.every((carrier) => this.stored.indexOf(carrier) <= this.#lastRead);
    return { times: carriers.length, read: carriers.length > 0 && read };
  }

  /**
   * The user types; the host asks the hook, stores the message and runs. Its id may be older than the message,
   * and another plugin may take its time between our hook and the store.
   */
  async types(
    text = "typed",
    {
      messageID = this.#house.host.newMessageID(),
      stored = Promise.resolve(),
      agent = "build",
    } = {},
  ): Promise<void> {
    const { host, notices } = this.#house;
    const extra = await notices.userMessage({ sessionID: this.id, messageID, typed: true });
    await stored;
    host.addUser(this.id, { id: messageID, agent, text: extra ? `${text}\n${extra}` : text });
    this.#house.event({ type: "user", sessionID: this.id, messageID });
    this.#start();
  }

  #start(): void {
    this.#running = true;
    this.#house.busy(this.id);
  }

  /** One step of the run: an answer to the newest user message. */
  step(): void {
    if (!this.#running) return;
    const message = this.#house.host.addAssistant(this.id, { completed: false, finish: undefined });
    this.#house.event({ type: "assistant", sessionID: this.id, message });
    message.completed = true;
    message.finish = "stop";
    this.#house.event({ type: "assistant", sessionID: this.id, message });
  }

  /** The run is over, unless something came that its last step did not read: the host goes on then. */
  end(): void {
    if (!this.#running) return;
    const newest = this.stored.findLast(({ role }) => role === "user");
    const isRead = this.stored.some(
      (message) => message.role === "assistant" && message.parentID === newest?.id,
    );
    if (!isRead) this.step();
    this.#running = false;
    this.#house.idle(this.id);
  }

  async run(): Promise<void> {
    this.step();
    this.end();
    await settle();
  }

  /** The user presses ESC. */
  esc(): void {
    if (!this.#running) return;
    const message = this.#house.host.addAssistant(this.id, {
      error: { name: "MessageAbortedError", message: "Aborted" },
    });
    this.#running = false;
    this.#house.idle(this.id);
    this.#house.event({ type: "assistant", sessionID: this.id, message });
    this.#house.idle(this.id);
  }

  /** ESC while the host waits to ask its provider again: the step is closed, and nothing says why. */
  escInRetry(): void {
    const retry = { attempt: 1, message: "scripted 500", nextAt: new Date(2_000) };
    this.#house.event({ type: "retry", sessionID: this.id, ...retry });
    this.#stepWithoutFinish();
  }

  /** A shell command that the user typed: a step that no model took, told of as the host tells of it. */
  shell(): void {
    this.#house.host.addUser(this.id, { real: false, text: "" });
    this.#start();
    this.#stepWithoutFinish();
  }

  #stepWithoutFinish(): void {
    const message = this.#house.host.addAssistant(this.id, { finish: undefined });
    this.#running = false;
    this.#house.event({ type: "assistant", sessionID: this.id, message });
    this.#house.idle(this.id);
    this.#house.idle(this.id);
  }

  /** The host has ended, and with it the run. */
  halt(): void {
    this.#running = false;
  }

  ask(): string {
    const requestID = `per_${++this.#questions}`;
    const question = { kind: "permission" as const, what: "bash: ls" };
    this.#house.event({ type: "asked", sessionID: this.id, requestID, ...question });
    return requestID;
  }

  answer(requestID: string): void {
    this.#house.event({ type: "answered", sessionID: this.id, requestID });
  }

  /** A compaction in the middle of a run: a summary that answers no message of a person. */
  compact(): void {
    const { host } = this.#house;
    host.addUser(this.id, { real: false, text: "" });
    const message = host.addAssistant(this.id, { summary: true, text: "A summary." });
    this.#house.event({ type: "assistant", sessionID: this.id, message });
  }
}
