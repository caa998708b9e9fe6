// Owns: what a host has stored after the events of a recording, so that a replay can answer as the host would
// have at that moment.
import { z } from "zod";
import { HostError, type Message } from "../../src/host/host.js";
import { messageOf } from "../../src/host/shapes.js";
import type { Recording } from "../../fixtures/recordings/format.js";

export type RawEvent = Recording["events"][number]["event"];

const identified = z.looseObject({ id: z.string() });
const part = z.looseObject({ id: z.string(), messageID: z.string() });
const status = z.object({ type: z.enum(["busy", "retry", "idle"]) });

interface Stored {
  info: z.infer<typeof identified>;
  parts: Map<string, z.infer<typeof part>>;
}

export class Projector {
  readonly busy = new Set<string>();
  readonly #sessions = new Map<string, Map<string, Stored>>();
  readonly #deleted = new Set<string>();

  apply({ type, properties }: RawEvent): void {
    const sessionID = z.string().safeParse(properties["sessionID"]).data;
    if (sessionID === undefined) return;
    const messages = this.#sessions.get(sessionID) ?? new Map<string, Stored>();
    this.#sessions.set(sessionID, messages);
    if (type === "session.deleted") this.#deleted.add(sessionID);
    if (type === "session.status") {
      if (status.parse(properties["status"]).type === "idle") this.busy.delete(sessionID);
      else this.busy.add(sessionID);
    }
    if (type === "message.updated") {
      const info = identified.parse(properties["info"]);
      const parts = messages.get(info.id)?.parts ?? new Map<string, z.infer<typeof part>>();
      messages.set(info.id, { info, parts });
    }
    if (type === "message.removed") messages.delete(z.string().parse(properties["messageID"]));
    if (type === "message.part.updated") {
      const updated = part.parse(properties["part"]);
      messages.get(updated.messageID)?.parts.set(updated.id, updated);
    }
  }

  exists(sessionID: string): boolean {
    return !this.#deleted.has(sessionID);
  }

  messages(sessionID: string): Message[] {
    if (!this.exists(sessionID)) throw new HostError(`Session not found: ${sessionID}`, 404);
    const stored = [...(this.#sessions.get(sessionID)?.values() ?? [])];
    return stored.flatMap(
      ({ info, parts }) => messageOf({ info, parts: [...parts.values()] }) ?? [],
    );
  }
}
