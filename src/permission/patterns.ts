/**
 * The patterns of questions. Promises: "always" never covers more than the part of a command that names what it does;
 * a rule that allows some command never allows an opaque one, only a catch-all or a rule for opaque commands does; a
 * rule that asks for or denies a command whose words stand anywhere in an opaque text still does.
 */

const TWO_WORDS = new RegExp(
  "^(?:bazel|brew|bun|cargo|cdk|cf|cmake|composer|consul|crictl|deno|docker|eksctl|firebase|flyctl|git|go|gradle|helm|heroku|hugo|ip|" +
    "kind|kubectl|kustomize|make|mc|minikube|mongosh|mysql|mvn|ng|npm|nvm|nx|openssl|pip|pipenv|pnpm|podman|poetry|psql|pulumi|pyenv|" +
    "python|rake|rbenv|redis-cli|rustup|serverless|skaffold|sls|sst|swift|systemctl|terraform|tmux|turbo|ufw|vault|vercel|volta|wp|yarn)$",
);
const THREE_WORDS = new RegExp(
  "^(?:(?:aws|az|doctl|gcloud|gh|sfdx)(?: [^]*)?|bun (?:run|x)|cargo (?:add|run)|consul kv|deno task|docker (?:builder|compose|" +
    "container|image|network|volume)|eksctl create|git (?:config|remote|stash)|ip (?:addr|link|netns|route)|kind create|" +
    "kubectl (?:kustomize|rollout)|mc admin|npm (?:exec|init|run|view)|openssl (?:req|x509)|pnpm (?:dlx|exec|run)|podman (?:container|" +
    "image)|pulumi stack|terraform workspace|vault (?:auth|kv)|yarn (?:dlx|run))$",
);

/** @example alwaysPattern(["npm", "run", "dev", "--", "-p", "3000"]) // "npm run dev *" */
export function alwaysPattern(words: readonly string[]): string | undefined {
  const [name = "", second = ""] = words;
  const length = THREE_WORDS.test(`${name} ${second}`.trim()) ? 3 : TWO_WORDS.test(name) ? 2 : 1;
  const prefix = words.slice(0, length).join(" ");
  return prefix === "" || /[*?]/.test(prefix) ? undefined : `${prefix} *`;
}

/** Asked first for an opaque command. It is no command, so only a rule of its own or a catch-all matches it. */
export const HIDDEN_CODE = "(hidden-code)";

const WORDS_PER_FRAGMENT = 12;
const MAX_FRAGMENTS = 1000;

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
