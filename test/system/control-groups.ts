// Owns: control groups of a manager whose files fail in one way or another.
import { silentLog, systemClock, type Log } from "../../src/ports.js";
import {
  ControlGroups,
  systemGroupFiles,
  type GroupFiles,
} from "../../src/system/control-group.js";

export function groupsWith(faults: Partial<GroupFiles>, log: Log = silentLog): ControlGroups {
  const files = { ...systemGroupFiles, ...faults };
  return new ControlGroups({ instanceID: "0a", clock: systemClock, log, files });
}
