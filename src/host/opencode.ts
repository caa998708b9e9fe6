/**
 * Which OpenCode has loaded us. OpenCode 2 has another plugin API: it calls `setup` of a default export and knows no
 * `server`; 1.18 has a second loader that calls `setup`, too, after it has called `server`: there nothing must happen.
 * One that was started for a single turn ends with it.
 */
import { PACKAGE, VERSION } from "../version.js";

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

/** A second copy of this module must find it: a module variable would not do. */
const SERVED = Symbol.for("opencode-background-manager/served");

/** The host has called `server`: it is OpenCode 1. */
export function served(): void {
  Reflect.set(globalThis, SERVED, true);
}

/** Throws what the user of OpenCode 2 reads. */
export function setup(): void {
  if (Reflect.get(globalThis, SERVED) === true) return;
  throw new Error(
    `${PACKAGE} ${VERSION} is for OpenCode 1.18: OpenCode 2 has another plugin API, so take it out of "plugin" there`,
  );
}
