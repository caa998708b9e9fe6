// A look at the user's rules themselves, for what no question can find out. Promises: in doubt, they
// deny something.
import type { PermissionRule } from "../host/host.js";

/** Whether any of the rules denies some commands rather than all of them. */
export function deniesCommands(rules: readonly PermissionRule[]): boolean {
  return rules.some(
    ({ permission, pattern, action }) =>
      action === "deny" && pattern !== "*" && (permission === "bash" || /[*?]/.test(permission)),
  );
}
