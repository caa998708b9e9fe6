// Owns: how a host tells of a session's work. Promises: a test that has a fake host and takes its events has the
// same courses.
import type { HostEvent } from "../../src/host/events.js";
import type { Notices } from "../../src/notices/notices.js";
import type { FakeHost } from "./host.js";

export abstract class Stage {
  abstract readonly host: FakeHost;
  abstract readonly notices: Notices;

  abstract event(event: HostEvent): void;

  busy(sessionID: string): void {
    this.host.busy.add(sessionID);
    this.event({ type: "busy", sessionID });
  }

  /** The session is idle, and says so twice, as the host does. */
  idle(sessionID: string): void {
    this.host.busy.delete(sessionID);
    this.event({ type: "idle", sessionID });
    this.event({ type: "idle", sessionID });
  }
}
