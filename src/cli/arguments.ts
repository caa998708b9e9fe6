/** What the user typed, as a command or a complaint. Owns the commands, their options and their help. Pure. */
import { parseArgs } from "node:util";
import { coerceError, UserError } from "../ports.js";

export const PROGRAM = "opencode-background-manager";

const OPTIONS = {
  json: { type: "boolean", help: "for scripts" },
  root: {
    type: "string",
    value: "DIR",
    help: "the state folder (${XDG_STATE_HOME:-~/.local/state}/opencode/background)",
  },
  project: { type: "string", value: "ID", help: "only this project" },
  all: { type: "boolean", short: "a", help: "the ended jobs, too" },
  quiet: { type: "boolean", short: "q", help: "only the ids" },
  follow: { type: "boolean", short: "f", help: "go on until the process ends" },
  lines: { type: "string", short: "n", value: "N", help: "only the last N lines" },
  grep: {
    type: "string",
    short: "g",
    value: "TEXT",
    help: "only lines with this text; in small letters it finds capitals, too",
  },
  since: {
    type: "string",
    value: "TIME",
    help: "only lines that came since then: 30s, 5m, 2h, 1d ago, or 2026-11-21T10:00",
  },
  timestamps: { type: "boolean", short: "t", help: "each line after the time at which it came" },
  yes: { type: "boolean", short: "y", help: "remove them" },
  port: { type: "string", value: "N", help: "4777 by default; 0: any that is free" },
  host: {
    type: "string",
    value: "ADDRESS",
    help: "127.0.0.1 by default; any other needs --token-file; 0.0.0.0 and ::, all of this machine",
  },
  name: {
    type: "string",
    multiple: true,
    value: "HOST",
    help: "another name by which browsers may open it; may be given again",
  },
  "token-file": {
    type: "string",
    value: "FILE",
    help: "a token of your own, in a file that only you can read",
  },
  help: { type: "boolean", short: "h", help: "this text" },
  version: { type: "boolean", short: "v", help: "the version" },
} as const;
type OptionName = keyof typeof OPTIONS;
const OPTION_NAMES = Object.keys(OPTIONS).filter((name): name is OptionName => name in OPTIONS);

/** How many jobs a command takes, and how that is written. */
const JOBS = {
  none: { least: 0, most: 0, form: "" },
  one: { least: 1, most: 1, form: " JOB" },
  several: { least: 1, most: Infinity, form: " JOB…" },
  any: { least: 0, most: Infinity, form: " [JOB…]" },
} as const;

interface CommandShape {
  jobs: keyof typeof JOBS;
  options: readonly OptionName[];
  about: string;
  /** For its own help: what the line above leaves out. */
  more?: string;
}

const ANY_PART =
  "JOB is an id, a name, or a part of either that only one job has. A job that runs is preferred.";
const WHOLE_ENDED =
  "JOB is a whole id, at least the first 8 characters of one (proc_ab3), or a whole name of one job";
const WHOLE = `${WHOLE_ENDED} that runs.`;

const COMMANDS = {
  doctor: {
    jobs: "none",
    options: [],
    about: "what runs where and owned by which OpenCode, orphans, what is owed, broken files",
  },
  ls: {
    jobs: "any",
    options: ["all", "quiet"],
    about: "the jobs that run, or those that are named; with --all the ended ones, too",
    more: `${ANY_PART}\nSorted by time, the newest last; as wide as the terminal, and not cut in a pipe.`,
  },
  show: { jobs: "one", options: [], about: "all that is known of a job", more: ANY_PART },
  logs: {
    jobs: "one",
    options: ["follow", "lines", "since", "timestamps", "grep"],
    about: "the output of a process; -f follows it until the process ends",
    more: ANY_PART,
  },
  stats: {
    jobs: "none",
    options: [],
    about: "processor, memory and ports of the processes that run",
    more: "Measured over half a second, each with all that it has started; 100 % is one processor. Linux only.",
  },
  kill: {
    jobs: "several",
    options: [],
    about: "end processes with their whole trees, if they still are what was started",
    more: `${WHOLE}\nNothing is ended if one of several is not found.`,
  },
  cancel: {
    jobs: "several",
    options: [],
    about: "abort subagents with what they started, by the OpenCode that runs them",
    more: WHOLE,
  },
  web: {
    jobs: "none",
    options: ["port", "host", "name", "token-file"],
    about: "a page and an API for the browser, until ctrl-C",
    more: [
      "It prints a link with a token that is made anew at each start, one for each address and name by which it can be",
      "opened. It shows and ends jobs; it starts nothing.",
    ].join("\n"),
  },
  clean: {
    jobs: "any",
    options: ["yes"],
    about: "list the folders of dead owners to whom nothing is owed; with --yes remove them",
    more: `JOB… names subagents whose worktrees go, and nothing else.\n${WHOLE_ENDED}.`,
  },
  completion: {
    jobs: "none",
    options: [],
    about: "the completion for a shell: bash, zsh or fish",
    more: [
      `bash: eval "$(${PROGRAM} completion bash)" in ~/.bashrc`,
      `zsh:  eval "$(${PROGRAM} completion zsh)" in ~/.zshrc, after compinit`,
      `fish: ${PROGRAM} completion fish > ~/.config/fish/completions/${PROGRAM}.fish`,
    ].join("\n"),
  },
} as const satisfies Record<string, CommandShape>;
export type CommandName = keyof typeof COMMANDS;
export const COMMAND_NAMES = Object.keys(COMMANDS).filter(
  (name): name is CommandName => name in COMMANDS,
);

export const SHELLS = ["bash", "zsh", "fish"] as const;
export type ShellName = (typeof SHELLS)[number];

/** Every command takes these. */
const COMMON: readonly OptionName[] = ["json", "root", "project", "help"];

/** The options as they were given, and what they are of. */
export interface Request extends Omit<Values, "lines" | "since" | "port"> {
  command: CommandName | "help" | "version";
  /** Whose help is asked for; undefined: that of all. */
  about: CommandName | undefined;
  /** As they were typed; at least one for show, logs, kill and cancel. */
  jobs: string[];
  /** For completion. */
  shell: ShellName;
  lines: number | undefined;
  /** In milliseconds since 1970. */
  since: number | undefined;
  port: number | undefined;
}

type Values = ReturnType<typeof parse>["values"];

/** Throws a `UserError` that says in one line what is wrong and where the help is. */
export function readArguments(args: readonly string[], now: number): Request {
  const {
    values,
    positionals: [name, ...rest],
  } = parse(args);
  const command = COMMAND_NAMES.find((known) => known === name);
  const request: Request = {
    ...values,
    command: "help",
    about: command,
    jobs: [],
    shell: "bash",
    lines: readLines(values.lines),
    since: readSince(values.since, now),
    port: readPort(values.port),
  };
  if (name === "help") return { ...request, about: COMMAND_NAMES.find((one) => one === rest[0]) };
  if (values.help) return request;
  if (values.version) return { ...request, command: "version" };
  if (command === undefined) {
    throw wrong(name === undefined ? "a command is missing" : `unknown command "${name}"`);
  }
  for (const given of OPTION_NAMES) {
    if (values[given] !== undefined && !takes(command, given)) {
      throw wrong(`${command} has no option --${given}`, command);
    }
  }
  if (command === "completion") {
    const shell = SHELLS.find((known) => known === rest[0]);
    if (!shell) throw wrong(`completion: which shell? ${SHELLS.join(", ")}`, command);
    return { ...request, command, shell };
  }
  const { least, most } = JOBS[COMMANDS[command].jobs];
  if (rest.length < least) throw wrong(`${command}: a job is missing`, command);
  const extra = rest[most];
  if (extra !== undefined) throw wrong(`${command}: "${extra}" was not expected`, command);
  return { ...request, command, jobs: rest };
}

function wrong(what: string, command?: CommandName, cause?: unknown): UserError {
  const call = [PROGRAM, ...(command ? [command] : []), "--help"].join(" ");
  return new UserError(`${what}; see ${call}`, { cause });
}

function readLines(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^\d{1,9}$/u.test(text)) throw wrong(`--lines: expected a whole number, got "${text}"`);
  return Number(text);
}

const UNITS = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

function readSince(text: string | undefined, now: number): number | undefined {
  if (text === undefined) return undefined;
  const [, ago, unit] = /^(\d{1,9})([smhd])$/u.exec(text) ?? [];
  if (ago !== undefined && (unit === "s" || unit === "m" || unit === "h" || unit === "d")) {
    return now - Number(ago) * UNITS[unit];
  }
  const [, rest] = /^\d{4}-\d{2}-\d{2}(.*)$/u.exec(text) ?? [];
  // A day alone would be read as one of Greenwich, a time without a zone is one of the user's.
  const time = Date.parse(rest === "" ? `${text}T00:00` : text);
  if (rest !== undefined && !Number.isNaN(time)) return time;
  throw wrong(`--since: expected a time like 5m or 2026-11-21T10:00, got "${text}"`);
}

function readPort(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^\d{1,5}$/u.test(text) || Number(text) > 65_535) {
    throw wrong(`--port: expected a number from 0 to 65535, got "${text}"`);
  }
  return Number(text);
}

function takes(command: CommandName, option: OptionName): boolean {
  const { options }: CommandShape = COMMANDS[command];
  return COMMON.includes(option) || options.includes(option);
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true });
  } catch (thrown) {
    // The first sentence; Node's second one is about arguments that begin with a dash.
    const [what = ""] = coerceError(thrown).message.split(/\. (?=[A-Z])/u);
    throw wrong(what, undefined, thrown);
  }
}

/** For completions: of one command, those that all take included. */
export function optionsOf(command: CommandName): { name: string; short?: string; help: string }[] {
  return OPTION_NAMES.filter((option) => takes(command, option)).map((name) => ({
    name,
    ...OPTIONS[name],
  }));
}

/** For which jobs are completed. */
export const JOB_COMMANDS = COMMAND_NAMES.filter((name) => COMMANDS[name].jobs !== "none");

export function aboutOf(command: CommandName): string {
  return COMMANDS[command].about;
}

/** Of one command, or of all. */
export function helpText(command: CommandName | undefined): string {
  if (command !== undefined) return helpOfOne(command);
  const width = Math.max(...COMMAND_NAMES.map((name) => synopsis(name).length)) + 2;
  return [
    "Background jobs of OpenCode, seen from outside: reads the state folders, needs no model.",
    "",
    `Usage: ${PROGRAM} COMMAND [options]`,
    "",
    ...COMMAND_NAMES.map((name) => `  ${synopsis(name).padEnd(width)}${aboutOf(name)}`),
    "",
    ...optionLines([...COMMON, "version"]),
    "",
    `${PROGRAM} COMMAND --help has the rest.`,
    "",
    "Colour only on a terminal, and not with NO_COLOR. Exit code: 0 all is well; 1 a problem was found, or",
    "there is no such job; 2 wrong usage.",
    "",
  ].join("\n");
}

function helpOfOne(command: CommandName): string {
  const { options, about, more }: CommandShape = COMMANDS[command];
  return [
    `Usage: ${PROGRAM} ${synopsis(command)} [options]`,
    "",
    `${about.slice(0, 1).toUpperCase()}${about.slice(1)}.`,
    ...(more === undefined ? [] : ["", more]),
    "",
    ...optionLines([...options, ...COMMON]),
    "",
  ].join("\n");
}

function synopsis(command: CommandName): string {
  return `${command}${command === "completion" ? " SHELL" : JOBS[COMMANDS[command].jobs].form}`;
}

function optionLines(names: readonly OptionName[]): string[] {
  const left = names.map((name) => {
    const option: { type: string; short?: string; value?: string } = OPTIONS[name];
    const short = option.short === undefined ? "    " : `-${option.short}, `;
    return `  ${short}--${name}${option.value === undefined ? "" : ` ${option.value}`}`;
  });
  const width = Math.max(...left.map(({ length }) => length)) + 2;
  return names.map((name, at) => `${(left[at] ?? "").padEnd(width)}${OPTIONS[name].help}`);
}
