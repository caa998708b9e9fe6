/**
 * A subagent's session as a log: its messages once, then what the host's events say. Works over a network, too.
 */
import type { TuiPluginApi } from "@opencode-ai/plugin/tui";
import type { Message, Part } from "@opencode-ai/sdk/v2";
import { createSignal } from "solid-js";
import { coerceError, type Clock } from "../../ports.js";
import { throttle } from "../../time.js";
import type { LogLine } from "./log-rows.js";
import { wholeLog, type LogSource } from "./log-source.js";
import { sessionLines } from "./session-lines.js";

const MOST_MESSAGES = 200;
const UPDATE_MILLISECONDS = 200;

/** What of the host's interface it needs. */
export interface SessionLogApi {
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
