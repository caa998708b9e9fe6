// How to ask for code that cannot be read before it runs. Promises: a rule that allows some command
// never allows it, only a catch-all or a rule for hidden code does; a rule that denies a command
// whose words stand anywhere in the text still denies it.

/**
 * Asked in addition whenever a command hides code. No command starts with a parenthesis, so no rule
 * for a command matches it. Users may write rules for it: `"(hidden-code)": "ask"`.
 */
export const HIDDEN_CODE = "(hidden-code)";

const WORDS_PER_FRAGMENT = 12;
const MAX_FRAGMENTS = 1000;

/**
 * The text from each of its words on, as commands. They are only there for rules that deny, because
 * the marker already takes a catch-all. `undefined`: more than can be asked.
 */
export function commandFragments(text: string): string[] | undefined {
  const fragments = new Set<string>();
  // `r\m` and `r''m` are `rm` to the shell, but `sh<<<'rm'` has a word only where quotes separate.
  for (const variant of [text.replaceAll(/\\\n|[\\'"]/g, ""), text.replaceAll(/[\\'"]/g, " ")]) {
    const words = variant.split(/[^\p{L}\p{N}_./:@%+~-]+/u).filter((word) => word !== "");
    for (const [index, word] of words.entries()) {
      if (!/^[\p{L}_./~]/u.test(word)) continue;
      const rest = words.slice(index + 1, index + WORDS_PER_FRAGMENT);
      fragments.add([word, ...rest].join(" "));
      const name = word.slice(word.lastIndexOf("/") + 1);
      if (name !== "") fragments.add([name, ...rest].join(" "));
      if (fragments.size > MAX_FRAGMENTS) return undefined;
    }
  }
  return [...fragments];
}
