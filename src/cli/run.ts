/** One call of the command line: arguments in, text and an exit code out. Wires the commands. */
import type { ProcessJob } from "../jobs/job.js";
import { askOwner, OwnerUnreachable } from "../control/socket.js";
import { coerceError, UserError, type Clock } from "../ports.js";
import type { Measure } from "../system/usage.js";
import { tryControlGroups } from "../system/control-group.js";
import { withUnverified, type KillOutcome } from "../system/kill-tree.js";
import { isTerminal } from "../jobs/status.js";
import { defaultRoot } from "../store/instance-folder.js";
import type { Processes } from "../store/owner.js";
import { VERSION } from "../version.js";
import type { WebRequest } from "../web/main.js";
import type { WebServer } from "../web/server.js";
import { helpText, PROGRAM, readArguments, type Request } from "./arguments.js";
import { completion } from "./completion.js";
import { clean } from "./clean.js";
import { doctor, doctorJSON, unseenIn } from "./doctor.js";
import { list, show } from "./list.js";
import { logs } from "./logs.js";
import { stats } from "./stats.js";
import {
  checkExists,
  chooseEntry,
  findEntry,
  isRunning,
  outputOf,
  survey,
  type Entry,
  type Survey,
  type WhyUnwritable,
} from "./survey.js";
import { json, safe, type Terminal } from "./terminal.js";
import { worktreesOf } from "./worktrees.js";

/** 0: all is well; 1: a problem was found, or there is no such job; 2: wrong usage. */
export type ExitCode = 0 | 1 | 2;

export interface CliDeps {
  terminal: Terminal;
  clock: Clock;
  processes: Processes;
  /** Ends a process with its tree; only called while it is the process that was started. */
  kill: (job: ProcessJob) => Promise<KillOutcome>;
  /** What the processes of a job take. */
  measure: Measure;
  env: NodeJS.ProcessEnv;
  /** Where it was called. */
  cwd: string;
  /** Serves the page; loaded when it is asked for. */
  web: (request: WebRequest) => Promise<WebServer>;
  /** Ends `logs -f` and `web`. */
  signal?: AbortSignal;
  /** For tests: what the system says of a folder's rights. */
  whyUnwritable?: WhyUnwritable;
}

/** Never rejects. */
export async function run(args: readonly string[], deps: CliDeps): Promise<ExitCode> {
  const { terminal } = deps;
  let request: Request;
  try {
    request = readArguments(args, deps.clock.now());
  } catch (thrown) {
    terminal.complain(`${PROGRAM}: ${safe(coerceError(thrown).message, 1000)}\n`);
    return 2;
  }
  try {
    return await obey(request, deps);
  } catch (thrown) {
    terminal.complain(`${safe(coerceError(thrown).message, 1000)}\n`);
    return 1;
  }
}

async function obey(request: Request, deps: CliDeps): Promise<ExitCode> {
  const { terminal, clock, processes, env } = deps;
  const { command, json: asJSON = false } = request;
  if (command === "help" || command === "version" || command === "completion") {
    const texts = {
      help: () => helpText(request.about),
      version: () => `${VERSION}\n`,
      completion: () => completion(request.shell),
    };
    terminal.write(texts[command]());
    return 0;
  }
  if (request.root !== undefined) checkExists(request.root);
  const root = request.root ?? defaultRoot(env);
  if (command === "web") return serve(root, request, deps);
  const look = () => survey(root, request.project, processes, deps.whyUnwritable);
  const found = await look();
  const now = clock.now();
  if (command === "doctor") {
    const worktrees = await worktreesOf(found);
    const unseen = unseenIn(found, deps.cwd, env);
    const groups = await tryControlGroups();
    const { text, ok } = asJSON
      ? doctorJSON(found, worktrees, unseen, groups)
      : doctor(found, worktrees, unseen, groups, now, terminal);
    terminal.write(text);
    return ok ? 0 : 1;
  }
  if (command === "ls") {
    const named = request.jobs.map((job) => chooseEntry(found, job, "look"));
    terminal.write(list(named.length > 0 ? named : found.entries, request, now, terminal));
    for (const { folder, why } of found.unwritable) {
      terminal.complain(`${folder} cannot be written (${safe(why)}): jobs may be missing here\n`);
    }
    return 0;
  }
  if (command === "stats") {
    terminal.write(await stats(found, asJSON, deps));
    return 0;
  }
  if (command === "clean") return (await clean(found, request, terminal)) ? 0 : 1;
  if (command === "kill" || command === "cancel") {
    // All are found before any is ended.
    const entries = request.jobs.map((job) => chooseEntry(found, job, "end"));
    const end = command === "kill" ? kill : cancel;
    return endAll([...new Set(entries)], end, request, deps);
  }
  const entry = chooseEntry(found, request.jobs[0] ?? "", "look");
  if (command === "logs") return writeLogs(entry, request, look, deps);
  terminal.write(show(entry, asJSON, now));
  return 0;
}

/** Each for itself: what is refused for one is said, and the others are ended all the same. */
async function endAll(
  entries: readonly Entry[],
  end: typeof kill,
  request: Request,
  deps: CliDeps,
): Promise<ExitCode> {
  let code: ExitCode = 0;
  for (const entry of entries) {
    try {
      if ((await end(entry, request, deps)) !== 0) code = 1;
    } catch (thrown) {
      deps.terminal.complain(`${safe(coerceError(thrown).message, 1000)}\n`);
      code = 1;
    }
  }
  return code;
}

/** By the OpenCode that runs it: what a subagent does is in that one's hands. */
async function cancel(
  { job, fate, instance }: Entry,
  { json: asJSON }: Request,
  { terminal }: CliDeps,
): Promise<ExitCode> {
  const { id } = job;
  if (job.kind !== "subagent") throw new UserError(`${id} is a process: kill it`);
  if (isTerminal(job.status)) throw new UserError(`${id} has ended: ${job.status}`);
  if (fate === "interrupted") throw new UserError(`${id} does not run: its OpenCode is gone`);
  const path = instance.owner?.control;
  if (path === undefined) throw new UserError(`the OpenCode that runs ${id} cannot be reached`);
  const text = await askOwner(path, { method: "cancel", jobID: id });
  terminal.write(asJSON ? json({ id, text }) : `${safe(text, 1000)}\n`);
  return 0;
}

/** Until it is interrupted. */
async function serve(root: string, request: Request, deps: CliDeps): Promise<ExitCode> {
  const { port = 4777, host = "127.0.0.1", name: names = [], "token-file": tokenFile } = request;
  const { signal, terminal } = deps;
  const server = await deps.web({ root, port, host, names, tokenFile });
  const { link, links } = server;
  terminal.write(request.json ? json({ link, links, port: server.port }) : `${links.join("\n")}\n`);
  await new Promise<void>((resolve) => {
    signal?.addEventListener("abort", () => resolve());
    if (signal?.aborted) resolve();
  });
  await server.close();
  return 0;
}

function processOf({ job }: Entry, refusal: string): ProcessJob {
  if (job.kind === "process") return job;
  throw new UserError(`${job.id} is a subagent: ${refusal}`);
}

/** Of a subagent's text: the session that has it, and how to open that. */
function whereText({ job, instance }: Entry): string {
  const sessionID = job.kind === "subagent" ? job.sessionID : undefined;
  if (sessionID === undefined) return "it has no session yet, so there is no text";
  const where = instance.owner ? ` in ${safe(instance.owner.directory, 500)}` : "";
  return `its text is in its session: opencode -s ${safe(sessionID)}${where}`;
}

async function writeLogs(
  entry: Entry,
  request: Request,
  look: () => Promise<Survey>,
  deps: CliDeps,
): Promise<ExitCode> {
  const job = processOf(entry, whereText(entry));
  // An owner that lives still takes what comes after the shell's exit, and ends the record when it has all.
  const hasEnded = async (): Promise<boolean> =>
    isTerminal(job.status) ||
    (!isRunning(job, deps.processes) && findEntry(await look(), job.id)?.fate !== "active");
  const { clock, signal } = deps;
  const lines = logs({
    ...request,
    file: outputOf(entry),
    hasEnded: request.follow ? hasEnded : undefined,
    clock,
    signal,
  });
  for await (const line of lines) deps.terminal.write(line);
  return 0;
}

/** It ended in this moment, or the system does not say whose the number is. */
const NOT_OURS =
  "not known to be the process that was started; no process was signalled by its number";

/** An owner that lives answers at once; one that hangs is what a kill from here is for. */
const PING_MILLISECONDS = 2_000;

/** By the OpenCode that runs it, which then knows that its user has ended it; undefined when that cannot be reached. */
async function stopByOwner({ job, fate, instance }: Entry): Promise<string | undefined> {
  const path = fate === "active" ? instance.owner?.control : undefined;
  if (path === undefined) return undefined;
  try {
    await askOwner(path, { method: "ping" }, PING_MILLISECONDS);
  } catch {
    // Whatever keeps it from answering: its process is ended without it.
    return undefined;
  }
  try {
    return await askOwner(path, { method: "stop", jobID: job.id });
  } catch (thrown) {
    if (thrown instanceof OwnerUnreachable) return undefined;
    throw thrown;
  }
}

async function kill(entry: Entry, request: Request, deps: CliDeps): Promise<ExitCode> {
  const job = processOf(entry, "cancel it");
  const { id, identity } = job;
  if (isTerminal(job.status)) throw new UserError(`${id} has ended: ${job.status}`);
  if (entry.fate === "unknown") {
    throw new UserError(`${id} runs on another machine or in another container, if at all`);
  }
  if (!identity || !isRunning(job, deps.processes)) {
    const pid = identity?.pid ?? "unknown";
    throw new UserError(`${id} does not run any more (pid ${pid}); no process was signalled`);
  }
  const told = await stopByOwner(entry);
  if (told !== undefined) {
    const text = safe(told, 1000);
    deps.terminal.write(request.json ? json({ id, pid: identity.pid, text }) : `${text}\n`);
    return isRunning(job, deps.processes) ? 1 : 0;
  }
  const { survivors, unverified, foreign } = await deps.kill(job);
  const left = survivors.map(({ pid, command }) => `${pid} (${safe(command, 80)})`).join(", ");
  let done = foreign ? NOT_OURS : "ended";
  if (left) done = `still alive after SIGKILL: ${left}`;
  const isAll = !left && !foreign && unverified === undefined;
  const said = isAll
    ? "ended, with everything that it had started"
    : withUnverified(done, unverified);
  const text = `${id}: ${said}`;
  if (request.json)
    deps.terminal.write(json({ id, pid: identity.pid, text, survivors, foreign, unverified }));
  else deps.terminal.write(`${text}\n`);
  return isAll ? 0 : 1;
}
