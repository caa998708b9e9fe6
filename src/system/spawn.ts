/**
 * Starts a command in the user's shell: in a process group of its own, with its stdin closed or a pipe, its output on
 * two pipes, and our marks in its environment and as a descriptor, by which its descendants are found wherever they go;
 * where it has a control group, in that.
 */
import { spawn, type ChildProcess, type SpawnOptions } from "node:child_process";
import { accessSync, constants, existsSync } from "node:fs";
import { basename, isAbsolute, join } from "node:path";
import { waysOf } from "../platform.js";
import { JOB_MARKER } from "./process-table.js";

/** Every process of an instance has this one too: the watchdog looks for it. */
export const INSTANCE_MARKER = "OPENCODE_BACKGROUND_INSTANCE";

export type SpawnFunction = (
  file: string,
  args: readonly string[],
  options: SpawnOptions,
) => ChildProcess;

export const systemSpawn: SpawnFunction = (file, args, options) => spawn(file, args, options);

export interface Shell {
  file: string;
  /** Everything in front of the command. */
  args: readonly string[];
  /** Windows: cmd.exe reads its command line itself. */
  verbatim: boolean;
}

/** Shells that take `-c` and understand what models write; fish, nu and csh do not. */
const POSIX_SHELLS = ["bash", "zsh", "sh", "dash", "ksh", "mksh", "ash"];

/** Of a program's name, without its folder. */
export function isShell(name: string): boolean {
  return POSIX_SHELLS.includes(name) || name === "fish";
}

/**
 * That of the host's own bash tool: `shell` of its configuration (a path, or a name on PATH), then `SHELL` if it is one
 * that understands what models write, then bash (zsh on macOS), then sh. Windows has its command processor.
 */
export function chooseShell(
  env: NodeJS.ProcessEnv,
  platform?: NodeJS.Platform,
  exists: (file: string) => boolean = existsSync,
  configured?: string,
): Shell {
  const { hasPosixShell, shells } = waysOf(platform);
  if (!hasPosixShell) {
    const file = env["ComSpec"] ?? env["COMSPEC"] ?? "C:\\Windows\\System32\\cmd.exe";
    return { file, args: ["/d", "/s", "/c"], verbatim: true };
  }
  const named = configured && find(configured, env, exists);
  if (named) return { file: named, args: ["-c"], verbatim: false };
  const own = env["SHELL"];
  const usable = own && isAbsolute(own) && POSIX_SHELLS.includes(basename(own)) && exists(own);
  // What models write is bash: a plain sh knows no arrays and no `[[`.
  const file = usable ? own : (shells.find((each) => exists(each)) ?? "/bin/sh");
  return { file, args: ["-c"], verbatim: false };
}

function find(name: string, env: NodeJS.ProcessEnv, exists: (file: string) => boolean) {
  const folders = isAbsolute(name) ? [""] : (env["PATH"] ?? "").split(":").filter(isAbsolute);
  return folders.map((folder) => join(folder, name)).find(exists);
}

/**
 * The environment of a job. A host that runs within a job of another host hands that job's marker on: when the
 * outer job is ended, the inner one's processes are found, too.
 */
export function jobEnvironment(
  base: NodeJS.ProcessEnv,
  own: Readonly<Record<string, string>>,
  { jobID, instanceID }: { jobID: string; instanceID: string },
): NodeJS.ProcessEnv {
  const outer = (name: string, id: string) => [base[name], id].filter(Boolean).join(":");
  return {
    ...base,
    ...own,
    [JOB_MARKER]: outer(JOB_MARKER, jobID),
    [INSTANCE_MARKER]: outer(INSTANCE_MARKER, instanceID),
  };
}

export interface StartRequest {
  command: string;
  cwd: string;
  shell: Shell;
  env: NodeJS.ProcessEnv;
  /** Its stdin is a pipe that stays open; otherwise it is empty. */
  hasInput?: boolean;
  /** See `openMark`; stays the caller's. */
  mark?: number | undefined;
  /** The folder of its control group, and what moves it there before it becomes the shell. */
  group?: { path: string; mover: Mover } | undefined;
}

/** A shell that moves itself into a control group and becomes the user's: its file, and what precedes its program. */
type Mover = readonly [file: string, ...options: string[]];

/**
 * `$1` is the group's folder, the rest what it becomes. The folder may still be on its way for a moment, of which it
 * waits a second at most. It says nothing: that it has not moved is seen.
 */
const MOVE = `opencode_tries=0
until [ -d "$1" ] || [ $opencode_tries = 50 ]; do
  sleep 0.02
  opencode_tries=$((opencode_tries + 1))
done 2>/dev/null
{ echo 0 >"$1/cgroup.procs"; } 2>/dev/null
shift
exec "$@"`;

/** A plain sh takes variables with other names out of the environment; bash keeps them (exported functions). */
const PLAIN_NAME = /^[A-Za-z_]\w*$/u;
/** In posix mode bash reads no file of its user's for a program (BASH_ENV). */
const BASH_OPTIONS = ["--posix", "-c"];

/**
 * With which the environment, and what is said of a shell that cannot be started, stay as they are without it;
 * undefined when there is none.
 */
export function chooseMover(
  { file }: Shell,
  env: NodeJS.ProcessEnv,
  exists: (file: string) => boolean = isProgram,
): Mover | undefined {
  // Bash would read them, and hand others on.
  const isBashTold = env["SHELLOPTS"] !== undefined || env["BASHOPTS"] !== undefined;
  if (isBashTold || !exists(file)) return undefined;
  if (Object.keys(env).every((name) => PLAIN_NAME.test(name))) return ["/bin/sh", "-c"];
  const bash = waysOf().shells.find((each) => basename(each) === "bash" && exists(each));
  return bash === undefined ? undefined : [bash, ...BASH_OPTIONS];
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Its file and arguments. */
export function commandLine({ shell, command, group }: StartRequest): [string, ...string[]] {
  const { file, args, verbatim } = shell;
  const line = [...args, verbatim ? `"${command}"` : command];
  return group ? [...group.mover, MOVE, "sh", group.path, file, ...line] : [file, ...line];
}

/** May throw, or return a child without pid whose `error` event says why. */
export function startCommand(request: StartRequest, start: SpawnFunction): ChildProcess {
  const { cwd, shell, env, hasInput = false, mark } = request;
  const [file, ...args] = commandLine(request);
  return start(file, args, {
    cwd,
    env,
    detached: !shell.verbatim,
    stdio: [hasInput ? "pipe" : "ignore", "pipe", "pipe", ...(mark === undefined ? [] : [mark])],
    windowsHide: true,
    windowsVerbatimArguments: shell.verbatim,
  });
}
