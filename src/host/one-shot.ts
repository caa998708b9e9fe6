/** Options of `opencode` itself that take a value, which is no command. */
const WITH_VALUE = ["--log-level"];

/**
 * Whether this OpenCode ends with the turn that it was started for: `opencode run`. No session could be told of an end
 * after that. `args`: what follows the program's name.
 */
export function isOneShot(args: readonly string[] = process.argv.slice(2)): boolean {
  const command = args.findIndex(
    (word, index) => !word.startsWith("-") && !WITH_VALUE.includes(args[index - 1] ?? ""),
  );
  return args[command] === "run" && !args.includes("-i") && !args.includes("--interactive");
}
