/**
 * Whether a person gave this part of a message: every one but texts that a plugin or the host made for the model
 * (synthetic) or for the screen alone (ignored). A module of its own, for the plugin loads it at once.
 */
export function isWritten(part: { type: string; synthetic?: unknown; ignored?: unknown }): boolean {
  return part.type !== "text" || (part.synthetic !== true && part.ignored !== true);
}
