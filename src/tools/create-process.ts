/** createBackgroundProcess: asks OpenCode's permission, then starts a shell command that outlives the turn. */
import { isAbsolute, resolve } from "node:path";
import { z } from "zod";
import { emptyInputHint } from "../jobs/facts.js";
import { restartPolicy, type ProcessJob } from "../jobs/job.js";
import { resolveAfter } from "../jobs/order.js";
import { isTerminal } from "../jobs/status.js";
import { leftRunningWords } from "../notices/wording.js";
import { UserError } from "../ports.js";
import type { CreateResult, RestartInput, StartInput } from "../process/manager.js";
import { oneLine, quoteLines } from "../text.js";
import { Access, refuseIdAsName } from "./access.js";
import {
  after,
  aliased,
  field,
  group,
  optionalChoice,
  optionalEnvironment,
  optionalFlag,
  optionalId,
  optionalInteger,
  optionalText,
  tags,
} from "./fields.js";
import { asker, defineTool, OncePerMessage, withProblem, type Ready } from "./define.js";
import { describeJob, MOST_NAMED } from "./describe-job.js";

/** The host's bash takes milliseconds by this name. */
const LIMITS =
  "timeoutSeconds (ends it after so many seconds) or readyTimeoutSeconds (waits so many seconds for readiness)";

/** A command that ends within this time is answered with its end, and told no second time. */
const SHORT_MS = 1_000;

export function createBackgroundProcess(ready: Ready) {
  const once = new OncePerMessage();
  return defineTool({
    description:
      "Start a shell command that keeps running (dev server, watcher, build) and go on; not bash with & or nohup. You are told its end and each line OPENCODE_NOTIFY: it prints. Never poll.",
    fields: {
      command: optionalText(100_000),
      name: aliased(optionalText(200), "description", "title"),
      tags,
      group: group(),
      after: after(),
      global: optionalFlag("Outlives this session"),
      cwd: aliased(optionalText(4_000), "workdir", "directory"),
      env: aliased(optionalEnvironment(), "environment"),
      stdin: optionalChoice(
        ["closed", "open", "terminal"],
        "Default closed; see writeBackgroundProcess",
      ),
      notify: optionalFlag("Tell its end; default true"),
      notifyPattern: optionalText(512, "Regex: you are told of each matching line"),
      readyPattern: optionalText(
        512,
        "Regex (case ignored): return when a line matches, e.g. listening|ready",
      ),
      readyPort: optionalInteger(1, 65_535, "Return when it accepts"),
      readyTimeoutSeconds: optionalInteger(1, 600, "Default 30; then it runs on"),
      timeoutSeconds: optionalInteger(1, 2_592_000),
      restart: field(
        () => z.enum(["on-failure", "always", "no"]).optional(),
        "one of on-failure, always, no",
        { shown: restartPolicy.optional(), read: policyOf },
      ),
      processId: optionalId("proc", "Run this one again, changed by what you give"),
    },
    refused: { timeout: LIMITS, timeoutMs: LIMITS, readyTimeout: LIMITS, readyTimeoutMs: LIMITS },
    async run({ processId, cwd, after, ...args }, context) {
      const { sessionID, messageID, directory, abort } = context;
      refuseIdAsName("name", args.name);
      const workspace = await ready(sessionID);
      const { processes } = workspace;
      const access = await Access.of(workspace, sessionID);
      const { rootSessionID } = access;
      const before = processId === undefined ? undefined : access.process(processId, "owned");
      const given = cwd === undefined || isAbsolute(cwd) ? cwd : resolve(directory, cwd);
      const changes = { ...args, cwd: given };
      const input = before
        ? processes.checkRestart(before.id, changes)
        : newInput(changes, directory);
      if (!before) processes.check(after ? { ...input, after } : input);
      if (before && after) {
        throw new UserError(
          `after: expected nothing with processId, as one that runs again starts at once, got ${JSON.stringify(after)}`,
        );
      }
      resolveAfter(workspace.jobs, { sessionID, rootSessionID }, after ?? []);
      const { command: pattern, env } = input;
      await workspace.permission.ask({ ...asker(context), command: pattern, cwd: input.cwd, env });
      // What a catch-all says of commands, the question before has heard.
      const question = { tool: "createBackgroundProcess", pattern, onlyWhereNamed: true };
      await workspace.permission.askForTool(context, question);
      // The question may have stood for long.
      if (abort.aborted) throw new UserError("the call was aborted; nothing was started");
      const options = { signal: abort, endWithinMilliseconds: SHORT_MS };
      const from = { parentSessionID: sessionID, rootSessionID, parentMessageID: messageID };
      const created = before
        ? await processes.restart(before.id, changes, "cancelled_by_agent", options)
        : await processes.create({ ...input, after, ...from }, options);
      await workspace.persist();
      const ofSubagent = rootSessionID !== sessionID;
      const isFirst = () => once.isFirst(messageID);
      const caller = { oneShot: workspace.oneShot, ofSubagent, isFirst };
      const sameCommand = created.sameCommand.filter((job) => access.may(job));
      const said = answer({ ...created, sameCommand }, workspace.clock.now(), caller);
      return withProblem(workspace, said);
    },
  });
}

/** Throws a UserError without a command: only a process that is run again has one already. */
function newInput({ command, cwd, restart, ...rest }: RestartInput, directory: string): StartInput {
  if (command === undefined) {
    throw new UserError(
      "command: expected a text, or processId to run a process again, got nothing",
    );
  }
  const policy = restart === "no" ? undefined : restart;
  return { ...rest, command, cwd: cwd ?? directory, restart: policy };
}

/** As process-compose and systemd name them. */
function policyOf(value: unknown): unknown {
  if (value === true) return "on-failure";
  if (value === false) return "no";
  const word = typeof value === "string" ? value.trim().toLowerCase().replaceAll("_", "-") : value;
  return word === "never" ? "no" : word;
}

interface Caller {
  oneShot: boolean;
  ofSubagent: boolean;
  /** Of the calls of one message. */
  isFirst: () => boolean;
}

function answer(created: CreateResult, now: number, caller: Caller): string {
  const { job, readiness, lastLines, cursor, sameCommand, warnings } = created;
  const lines = [describeJob(job, now)];
  if (readiness === "not_ready_yet") {
    lines.push(`Not ready yet (waited for ${awaited(job)}); you will be told when it is.`);
  }
  if (readiness === "ended") lines.push(`It ended before it was ready (${awaited(job)}).`);
  const left = leftRunningWords(job);
  if (left !== undefined) lines.push(`${left.replace(/^i/u, "I")}.`);
  if (readiness === "ready" && job.readyLine) lines.push(`Ready: ${oneLine(job.readyLine, 500)}`);
  if (lastLines) lines.push("Last lines of its output:", ...quoteLines(lastLines));
  else if (isTerminal(job.status)) lines.push("(no output)");
  else if (readiness === "not_ready_yet") lines.push("(no output yet)");
  // One that is pending may also wait for a place, or to be started again by its policy.
  if (job.status === "pending" && job.nextStartAt === undefined && job.after?.length) {
    lines.push(`It starts when ${job.after.join(", ")} has completed, or is ready.`);
  }
  const empty = emptyInputHint(job);
  if (empty !== undefined) lines.push(empty);
  if (!isTerminal(job.status)) {
    // Where nothing was shown or waited for, what it has printed is still to be read: without one that begins at its start.
    const isBehind = lastLines !== undefined || readiness === "ready";
    if (cursor !== undefined && isBehind) lines.push(`(what comes after this: cursor "${cursor}")`);
    lines.push(...whatFollows(job.notify, caller));
  }
  for (const other of sameCommand.slice(0, MOST_NAMED)) {
    lines.push(`The same command already runs in this folder: ${other.id}`);
  }
  return [...lines, ...warnings].join("\n");
}

function awaited({ readyPattern, readyPort }: ProcessJob): string {
  const pattern =
    readyPattern === undefined ? [] : [`a line matching ${JSON.stringify(readyPattern)}`];
  const port = readyPort === undefined ? [] : [`a connection on port ${readyPort}`];
  return [...pattern, ...port].join(" and ");
}

function whatFollows(notify: boolean, { oneShot, ofSubagent, isFirst }: Caller): string[] {
  const ends = "This OpenCode ends with its one turn, and the process with it.";
  if (!notify) return [`${oneShot ? `${ends} ` : ""}You will not be told when it ends.`];
  if (oneShot) return [`${ends} You will be told if it ends before.`];
  if (!isFirst()) return [];
  const later = ofSubagent ? " What ends after you is told to the session that started you." : "";
  return [`You will be told when it ends: go on, or end your turn; do not poll.${later}`];
}
