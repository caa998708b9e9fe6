/** createBackgroundProcess: asks OpenCode's permission, then starts a shell command that outlives the turn. */
import { isAbsolute, resolve } from "node:path";
import type { ProcessJob } from "../jobs/job.js";
import { isTerminal } from "../jobs/status.js";
import { UserError } from "../ports.js";
import type { CreateResult } from "../process/manager.js";
import { oneLine, quoteLines } from "../text.js";
import { Access } from "./access.js";
import { askForTool, defineTool, OncePerMessage, type Ready } from "./define.js";
import { describeJob, MOST_NAMED } from "./describe-job.js";
import {
  group,
  optionalEnvironment,
  optionalFlag,
  optionalInteger,
  optionalText,
  tags,
  text,
} from "./fields.js";

/** The host's bash takes milliseconds by this name. */
const LIMITS =
  "timeoutSeconds (ends it after so many seconds) or readyTimeoutSeconds (waits so many seconds for readiness)";

/** A command that ends within this time is answered with its end, and told no second time. */
const SHORT_MS = 1_000;

export function createBackgroundProcess(ready: Ready) {
  const once = new OncePerMessage();
  return defineTool({
    description:
      "Start a shell command that keeps running (dev server, watcher, build) and go on; not bash with & or nohup. Its stdin is empty. You are told its end and each line OPENCODE_NOTIFY: it prints. Never poll.",
    fields: {
      command: text(100_000),
      name: optionalText(200, { aliases: ["description", "title"] }),
      tags,
      group: group(),
      global: optionalFlag("Outlives this session"),
      cwd: optionalText(4_000, { aliases: ["workdir", "directory"] }),
      env: optionalEnvironment(),
      notify: optionalFlag("Default true"),
      notifyPattern: optionalText(512, {
        about: "Regex: you are told of each matching line",
      }),
      readyPattern: optionalText(512, {
        about: "Regex (case ignored): return when a line matches, e.g. listening|ready",
      }),
      readyPort: optionalInteger(1, 65_535, {
        about: "Return when it accepts; with readyPattern: both",
      }),
      readyTimeoutSeconds: optionalInteger(1, 600, {
        about: "Default 30; then it runs on",
      }),
      timeoutSeconds: optionalInteger(1, 2_592_000, { about: "End it after this" }),
    },
    refused: { timeout: LIMITS, timeoutMs: LIMITS, readyTimeout: LIMITS, readyTimeoutMs: LIMITS },
    async run({ cwd, ...args }, context) {
      const { sessionID, messageID, directory, worktree, abort } = context;
      const workspace = await ready(sessionID);
      const folder =
        cwd === undefined ? directory : isAbsolute(cwd) ? cwd : resolve(directory, cwd);
      workspace.processes.check({ ...args, cwd: folder });
      await workspace.askForCommand({
        sessionID,
        agent: context.agent,
        command: args.command,
        cwd: folder,
        directory,
        worktree,
        env: args.env,
        ask: (request) => context.ask(request),
      });
      // What a catch-all says of commands, the question before has heard.
      await askForTool(workspace, context, {
        tool: "createBackgroundProcess",
        pattern: args.command,
        onlyWhereNamed: true,
      });
      const access = await Access.of(workspace, sessionID);
      // The question may have stood for long.
      if (abort.aborted) throw new UserError("the call was aborted; nothing was started");
      const created = await workspace.processes.create(
        {
          ...args,
          cwd: folder,
          parentSessionID: sessionID,
          rootSessionID: access.rootSessionID,
          parentMessageID: messageID,
        },
        { signal: abort, endWithinMilliseconds: SHORT_MS },
      );
      await workspace.persist();
      const ofSubagent = access.rootSessionID !== sessionID;
      const isFirst = () => once.isFirst(messageID);
      const caller = { oneShot: workspace.oneShot, ofSubagent, isFirst };
      const sameCommand = created.sameCommand.filter((job) => access.may(job));
      return answer({ ...created, sameCommand }, workspace.clock.now(), caller);
    },
  });
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
  if (readiness === "ready" && job.readyLine) lines.push(`Ready: ${oneLine(job.readyLine, 500)}`);
  if (lastLines) lines.push("Last lines of its output:", ...quoteLines(lastLines));
  else if (isTerminal(job.status)) lines.push("(no output)");
  else if (readiness === "not_ready_yet") lines.push("(no output yet)");
  if (job.status === "running") {
    if (cursor !== undefined) lines.push(`(what comes after this: cursor "${cursor}")`);
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
