/**
 * A subagent's session as a log: what it was told, what it said, which tools it called. Its messages are read once;
 * then it is what the host's events say. Works over a network, too.
 */
import type { TuiPluginApi } from "@opencode-ai/plugin/tui";
import type { Message, Part, ToolPart } from "@opencode-ai/sdk/v2";
import { createSignal } from "solid-js";
import { clean, cleanOutput } from "../../cells.js";
import { inputText } from "../../host/transcript.js";
import { type Clock, coerceError } from "../../ports.js";
import { cutText } from "../../text.js";
import { throttle } from "../../time.js";
import { SIGNS, type Tone } from "../../looks.js";
import type { LogLine } from "./log-rows.js";
import { type LogSource, LONGEST_LINE, wholeLog } from "./log-source.js";

const MOST_MESSAGES = 200;
const UPDATE_MILLISECONDS = 200;

/** What of the host's interface it needs. */
interface SessionLogApi {
  client: Pick<TuiPluginApi["client"], "session">;
  event: TuiPluginApi["event"];
  state: Pick<TuiPluginApi["state"], "part">;
}

export function openSessionLog(api: SessionLogApi, sessionID: string, clock: Clock): LogSource {
  const [lines, setLines] = createSignal<readonly LogLine[]>([]);
  const [note, setNote] = createSignal<string | undefined>("loading …");
  const messages = new Messages();
  const update = throttle(clock, UPDATE_MILLISECONDS, () => setLines(sessionLines(messages.all())));

  const load = async () => {
    const query = { sessionID, limit: MOST_MESSAGES };
    const { data, error } = await api.client.session.messages(query);
    if (!data) throw new Error(`the session cannot be read: ${JSON.stringify(error)}`);
    for (const { info, parts } of data) {
      const known = api.state.part(info.id);
      const heard = (part: Part) => known.find(({ id }) => id === part.id);
      messages.fill(
        info,
        parts.map((part) => longer(part, heard(part))),
      );
    }
    setNote(undefined);
    update.call();
  };
  load().catch((thrown: unknown) => setNote(coerceError(thrown).message));

  const { on } = api.event;
  const changed = (session: string, change: () => void) => {
    if (session !== sessionID) return;
    change();
    update.call();
  };
  const stops = [
    on("message.updated", ({ properties: { info } }) =>
      changed(info.sessionID, () => messages.put(info)),
    ),
    on("message.removed", ({ properties: it }) =>
      changed(it.sessionID, () => messages.remove(it.messageID)),
    ),
    on("message.part.updated", ({ properties: { part } }) =>
      changed(part.sessionID, () => messages.putPart(part)),
    ),
    on("message.part.delta", ({ properties: it }) => {
      const append = () => messages.append(it.messageID, it.partID, it.delta);
      if (it.field === "text") changed(it.sessionID, append);
    }),
    on("message.part.removed", ({ properties: it }) =>
      changed(it.sessionID, () => messages.removePart(it.messageID, it.partID)),
    ),
  ];
  return wholeLog({ lines, note }, () => {
    update.cancel();
    for (const stop of stops) stop();
  });
}

/** A text that is being streamed is stored without what came so far; the terminal has heard it. */
function longer(stored: Part, heard: Part | undefined): Part {
  if (!heard || !("text" in stored) || !("text" in heard)) return stored;
  return (heard.text?.length ?? 0) > (stored.text?.length ?? 0) ? heard : stored;
}

/** Messages in the order in which the host took them, their parts in that of their ids. A part may come first. */
class Messages {
  readonly #infos = new Map<string, Message>();
  readonly #parts = new Map<string, Map<string, Part>>();
  /** Ids of messages and of parts. */
  readonly #removed = new Set<string>();

  /** As it was read, which may be older than what was heard meanwhile: that stays. */
  fill(info: Message, parts: readonly Part[]): void {
    if (this.#removed.has(info.id)) return;
    if (!this.#infos.has(info.id)) this.put(info);
    for (const part of parts) {
      const isHeard = this.#parts.get(part.messageID)?.has(part.id) || this.#removed.has(part.id);
      if (!isHeard) this.putPart(part);
    }
  }

  put(info: Message): void {
    this.#infos.set(info.id, info);
  }

  remove(id: string): void {
    this.#infos.delete(id);
    this.#parts.delete(id);
    this.#removed.add(id);
  }

  putPart(part: Part): void {
    const parts = this.#parts.get(part.messageID) ?? new Map<string, Part>();
    parts.set(part.id, part);
    this.#parts.set(part.messageID, parts);
  }

  append(messageID: string, partID: string, piece: string): void {
    const part = this.#parts.get(messageID)?.get(partID);
    if (part?.type !== "text" && part?.type !== "reasoning") return;
    this.putPart({ ...part, text: part.text + piece });
  }

  removePart(messageID: string, id: string): void {
    this.#parts.get(messageID)?.delete(id);
    this.#removed.add(id);
  }

  all() {
    return [...this.#infos.values()].toSorted(asStored).map((info) => ({
      info,
      parts: [...(this.#parts.get(info.id)?.values() ?? [])].toSorted(byID),
    }));
  }
}

/** As the host orders them: an id is made before its message is stored. */
function asStored(a: Message, b: Message): number {
  return a.time.created - b.time.created || byID(a, b);
}

function byID(a: { id: string }, b: { id: string }): number {
  return a.id < b.id ? -1 : 1;
}

/** Lines of one part keep their places when other parts grow. */
const LINES_PER_PART = 100_000;

export function sessionLines(messages: ReturnType<Messages["all"]>): LogLine[] {
  const blocks = messages.flatMap(({ info, parts }) => [
    ...parts.map((part) => timed(partLines(part, info.role), info)),
    timed(errorLines(info), info),
  ]);
  return blocks.flatMap((block, index) =>
    block.map((line, at) => ({ ...line, offset: index * LINES_PER_PART + at })),
  );
}

type Line = Pick<LogLine, "text" | "tone" | "at">;

/** Of a part's own time only some say anything: that of the message is said for all. */
function timed(lines: readonly Line[], { time }: Message): Line[] {
  return lines.map((line) => ({ ...line, at: time.created }));
}

function partLines(part: Part, role: Message["role"]): Line[] {
  if (part.type === "text") {
    if (part.text === "") return [];
    return role === "user" ? block(part.text, "muted", "> ") : block(part.text, "text", "");
  }
  if (part.type === "reasoning") return block(part.text, "muted", "~ ");
  return part.type === "tool" ? toolLines(part) : [];
}

function toolLines({ tool, state }: ToolPart): Line[] {
  const title = "title" in state && state.title ? state.title : inputText(state.input);
  const { sign, tone } = SIGNS[state.status === "error" ? "failed" : state.status];
  const head = `${sign} ${clean(tool)} ${clean(title)}`.trimEnd();
  const lines: Line[] = [{ text: cutText(head, LONGEST_LINE), tone }];
  if (state.status === "error") lines.push(...block(state.error, "bad", "  "));
  return lines;
}

function errorLines(info: Message): Line[] {
  if (info.role !== "assistant" || !info.error) return [];
  const { name, data } = info.error;
  const message = "message" in data && typeof data.message === "string" ? data.message : "";
  return block([name, message].filter(Boolean).join(": "), "bad", "✗ ");
}

/** The lines of a text, each after the mark, and an empty one below them. */
function block(text: string, tone: Tone, mark: string): Line[] {
  const lines = text.trimEnd().split(/\r?\n/u);
  return [
    ...lines.map((line) => ({ text: cutText(mark + cleanOutput(line), LONGEST_LINE), tone })),
    EMPTY,
  ];
}

const EMPTY: Line = { text: "", tone: "muted" };
