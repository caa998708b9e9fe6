/** What the user typed, as a command or as a complaint with the usage. Pure. */
import { parseArgs } from "node:util";
import { coerceError, UserError } from "../ports.js";

export const COMMANDS = ["doctor", "ls", "show", "logs", "kill", "clean"] as const;
export type CommandName = (typeof COMMANDS)[number];

export interface Request {
  command: CommandName | "help" | "version";
  /** For show, logs and kill. */
  id: string;
  json: boolean;
  /** Undefined: the default state folder. */
  root: string | undefined;
  project: string | undefined;
  /** ls: ended jobs, too. */
  all: boolean;
  /** logs: go on until the process ends. */
  follow: boolean;
  /** clean: do it. */
  yes: boolean;
}

export const USAGE = `Background jobs of OpenCode, seen from outside: reads the state folders, needs no model.

Usage: opencode-background-manager COMMAND [options]

  doctor          what runs where and owned by whom, orphans, unread notices, broken files
  ls              the jobs that run; with --all the ended ones, too
  show ID         all that is known of a job
  logs ID [-f]    the output of a process; -f follows it until the process ends
  kill ID         end a process with its whole tree, if it still is the process that was started
  clean           list the folders of dead owners to whom nothing is owed; with --yes remove them

  --json          for scripts
  --root DIR      the state folder (\${XDG_STATE_HOME:-~/.local/state}/opencode/background)
  --project ID    only this project
  -a, --all       ls: ended jobs, too
  -f, --follow    logs: follow
  -y, --yes       clean: remove
  -h, --help      this text
  -v, --version

Exit code: 0 all is well; 1 a problem was found, or there is no such job; 2 wrong usage.
`;

const options = {
  json: { type: "boolean", default: false },
  root: { type: "string" },
  project: { type: "string" },
  all: { type: "boolean", short: "a", default: false },
  follow: { type: "boolean", short: "f", default: false },
  yes: { type: "boolean", short: "y", default: false },
  help: { type: "boolean", short: "h", default: false },
  version: { type: "boolean", short: "v", default: false },
} as const;

/** Throws a `UserError` that says what is wrong. */
export function readArguments(args: readonly string[]): Request {
  const { values, positionals } = parse(args);
  const [name, id = "", ...rest] = positionals;
  const request = { ...values, root: values.root, project: values.project, id };
  if (values.help || name === "help") return { ...request, command: "help" };
  if (values.version) return { ...request, command: "version" };
  const command = COMMANDS.find((known) => known === name);
  if (!command) throw new UserError(name ? `unknown command "${name}"` : "a command is missing");
  const needsID = command === "show" || command === "logs" || command === "kill";
  if (needsID && !id) throw new UserError(`${command}: the id of a job is missing`);
  const extra = needsID ? rest[0] : id || rest[0];
  if (extra) throw new UserError(`${command}: "${extra}" was not expected`);
  return { ...request, command };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true });
  } catch (thrown) {
    throw new UserError(coerceError(thrown).message, { cause: thrown });
  }
}
