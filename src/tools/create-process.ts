/** createBackgroundProcess: asks OpenCode's permission, then starts a shell command that outlives the turn. */
import { isAbsolute, resolve } from "node:path";
import { z } from "zod";
import { UserError } from "../ports.js";
import type { CreateResult } from "../process/manager.js";
import { Access } from "./access.js";
import { askForTool, defineTool, field, type Ready } from "./define.js";
import { describeJob, MOST_NAMED } from "./describe-job.js";
import { optionalFlag, optionalInteger, optionalText, tags, text } from "./fields.js";

function environment() {
  const name = z
    .string()
    .max(200)
    .regex(/^[A-Za-z_][A-Za-z0-9_]*$/u);
  return z.record(name, z.string().max(10_000)).optional();
}

export function createBackgroundProcess(ready: Ready) {
  return defineTool({
    description:
      "Start a shell command that keeps running (dev server, watcher, build) and go on. Use it instead of &, nohup or a bash call that would block. You are told when it ends: never poll.",
    fields: {
      command: text(100_000),
      name: optionalText(200),
      tags,
      global: optionalFlag("Outlives this session"),
      cwd: optionalText(4_000),
      env: field(environment, "an object of variable names and texts", {
        shown: z.object({}).catchall(z.string()).optional(),
      }),
      notify: optionalFlag("Default true"),
      notifyPattern: optionalText(512, "Regex: tell you when a line matches"),
      readyPattern: optionalText(512, "Regex: return once a line matches"),
      readyPort: optionalInteger(1, 65_535, "Return once it accepts connections"),
      readyTimeoutSeconds: optionalInteger(1, 600, "Default 30"),
      timeoutSeconds: optionalInteger(1, 2_592_000, "End it after this"),
    },
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
        { signal: abort },
      );
      await workspace.persist();
      const ofSubagent = access.rootSessionID !== sessionID;
      const caller = { oneShot: workspace.oneShot, ofSubagent };
      const sameCommand = created.sameCommand.filter((job) => access.may(job));
      return answer({ ...created, sameCommand }, workspace.clock.now(), caller);
    },
  });
}

interface Caller {
  oneShot: boolean;
  ofSubagent: boolean;
}

function answer(created: CreateResult, now: number, caller: Caller): string {
  const { job, readiness, lastLines, sameCommand, warnings } = created;
  const lines = [describeJob(job, now)];
  if (readiness === "not_ready_yet") lines.push("Not ready yet; you will be told when it is.");
  if (readiness === "ended") lines.push("It ended before it was ready.");
  if (lastLines) lines.push("Last lines of its output:", lastLines);
  if (job.status === "running") lines.push(whatFollows(job.notify, caller));
  for (const other of sameCommand.slice(0, MOST_NAMED)) {
    lines.push(`The same command already runs in this folder: ${other.id}`);
  }
  return [...lines, ...warnings].join("\n");
}

function whatFollows(notify: boolean, { oneShot, ofSubagent }: Caller): string {
  const ends = "This OpenCode ends with its one turn, and the process with it.";
  if (!notify) return `${oneShot ? `${ends} ` : ""}You will not be told when it ends.`;
  if (oneShot) return `${ends} You will be told if it ends before.`;
  const later = ofSubagent ? " What ends after you is told to the session that started you." : "";
  return `You will be told when it ends; go on with other work or end your turn.${later} Do not poll, and do not use & or nohup in commands.`;
}
