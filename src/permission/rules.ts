/**
 * How a question meets the user's rules. Promises: a rule that allows some command never allows an opaque one, only a
 * catch-all or a rule for opaque commands does; a rule that asks for or denies a command whose words stand anywhere in
 * the text still does.
 */
import type { PermissionRule } from "../host/host.js";

/**
 * The first pattern of an opaque command. No command starts with a parenthesis, so no rule for a command matches it.
 * Users may write rules for it: `"(hidden-code)": "ask"`.
 */
export const HIDDEN_CODE = "(hidden-code)";

const WORDS_PER_FRAGMENT = 12;
const MAX_FRAGMENTS = 1000;

/** Whether any of the rules denies some commands rather than all of them. */
export function deniesCommands(rules: readonly PermissionRule[]): boolean {
  return rules.some(
    ({ permission, pattern, action }) =>
      action === "deny" && pattern !== "*" && (permission === "bash" || /[*?]/.test(permission)),
  );
}

/** Whether an agent with these rules can run no command at all. The last rule that matches counts. */
export function deniesAllCommands(rules: readonly PermissionRule[]): boolean {
  const about = rules.filter(({ permission }) => isMatch("bash", permission));
  const last = about.findLastIndex(({ pattern }) => /^\*+$/.test(pattern));
  return last >= 0 && about.slice(last).every(({ action }) => action === "deny");
}

/** Whether any of the rules is for this tool: its name, or a wildcard that is not a catch-all. */
export function namesTool(rules: readonly PermissionRule[], tool: string): boolean {
  return rules.some(({ permission }) => !/^\*+$/.test(permission) && isMatch(tool, permission));
}

/** As the host matches a permission: `*` is any text, `?` one character. */
function isMatch(text: string, pattern: string): boolean {
  const escaped = pattern.replaceAll(/[.+^${}()|[\]\\]/g, String.raw`\$&`);
  const source = escaped.replaceAll("*", ".*").replaceAll("?", ".");
  return new RegExp(`^${source}$`, "s").test(text);
}

/** `undefined`: the text has more words than can be asked. */
export function opaquePatterns(command: string): string[] | undefined {
  const fragments = new Set([HIDDEN_CODE, command.trim()]);
  // `r\m` and `r''m` are `rm` to the shell, but `sh<<<'rm'` has a word only where quotes separate.
  for (const [quotes, put] of [[/\\\n|[\\'"]/g, ""] as const, [/[\\'"]/g, " "] as const]) {
    const words = command.replaceAll(quotes, put).match(/[\p{L}\p{N}_./:@%+~-]+/gu) ?? [];
    for (const [index, word] of words.entries()) {
      if (!/^[\p{L}_./~]/u.test(word)) continue;
      const rest = words.slice(index + 1, index + WORDS_PER_FRAGMENT);
      for (const name of [word, word.replace(/.*\//su, "")])
        if (name !== "") fragments.add([name, ...rest].join(" "));
      if (fragments.size > MAX_FRAGMENTS) return undefined;
    }
  }
  return [...fragments];
}
