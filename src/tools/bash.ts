/**
 * bash, in the place of the host's own: the same arguments, questions and answers, but a command whose time is over
 * goes on as a background process. Registered only where the user's options say so.
 */
import { resolve } from "node:path";
import type { ToolContext, ToolDefinition } from "@opencode-ai/plugin";
import { z } from "zod";
import type { CallAnswer } from "../bash/call.js";
import type { AnswerLimits } from "../bash/output.js";
import type { Options } from "../options.js";
import { coerceError, logFailure } from "../ports.js";
import { elapsed } from "../text.js";
import type { Workspace } from "../workspace.js";
import { Access } from "./access.js";
import { field, optionalText, parseArguments, type Values } from "./fields.js";
import { asker, listeningToUser, withProblem, type Ready } from "./define.js";

const shownTimeout = z.number().optional();

const FIELDS = {
  command: field(() => z.string().min(1), "a shell command", { about: "The command" }),
  timeout: field(
    () => z.number().int().positive().max(Number.MAX_SAFE_INTEGER).optional(),
    "a whole number of milliseconds above 0",
    {
      shown: shownTimeout,
      about: "Milliseconds to wait for its end",
      read: (value) => (typeof value === "string" && /^\d+$/u.test(value) ? Number(value) : value),
    },
  ),
  workdir: optionalText(4_000, "Folder to run it in, instead of cd"),
};

/** As the host takes it; see its OPENCODE_EXPERIMENTAL_BASH_DEFAULT_TIMEOUT_MS. */
const USUAL_MILLISECONDS = 120_000;
const WHOLE_OUTPUT: AnswerLimits = { lines: 2_000, bytes: 51_200 };

export function bash(ready: Ready, options: Pick<Options, "bashSeconds">): ToolDefinition {
  const args = Object.fromEntries(Object.entries(FIELDS).map(([name, { shown }]) => [name, shown]));
  const limits = new WeakMap<Workspace, AnswerLimits>();
  const limitsOfAnswers = async (workspace: Workspace): Promise<AnswerLimits> => {
    const { host, log } = workspace;
    const message = "the limits of answers are not known; the usual ones are taken";
    const unknown = logFailure(log, "warn", message);
    const known = limits.get(workspace) ?? (await host.answerLimits().catch(unknown));
    if (known) limits.set(workspace, known);
    return known ?? WHOLE_OUTPUT;
  };
  return {
    description: describeBash(options),
    args,
    execute: async (raw: unknown, context): Promise<CallAnswer> => {
      const given = parseArguments(FIELDS, known(raw));
      const workspace = await ready(context.sessionID);
      // What the user writes while a question stands counts, too.
      return listeningToUser(workspace, context.sessionID, async (userWrites) => {
        const answerLimits = await limitsOfAnswers(workspace);
        return call(workspace, given, context, { userWrites, answerLimits });
      });
    },
  };
}

/** What the model reads of it; never longer than the host's own. */
function describeBash({ bashSeconds }: Pick<Options, "bashSeconds">): string {
  return `Runs a bash command in a new shell and answers with its output.

A command that takes longer than \`timeout\` (milliseconds), or than ${elapsed(bashSeconds * 1_000)} without one, is not ended: it goes on in the background, the answer gives its id and says that it still runs, and you are told when it ends. Never run it a second time, and never poll; \`timeout\` is only how long you want to wait. What should run on from the start (a dev server, a watcher) belongs to createBackgroundProcess, not to & or nohup.

- Files are read, written, edited and searched with the tools for that (Read, Write, Edit, Glob, Grep), not with cat, echo, sed, find or grep. What you have to say is said in your answer, not with echo.
- Paths with spaces stand in double quotes. Before something is created in a folder, make sure that the folder is there.
- Each command begins in the project's folder, or in \`workdir\`: use that instead of \`cd FOLDER && …\`.
- Independent commands are several calls in one message; commands that depend on each other are one call with &&. With ; the next one runs also after a failure.
- There is no terminal and no input: give flags such as --yes, and never start an editor, a pager or a prompt.
- Of a long output the end is answered and all of it is saved in a file that the answer names: do not cut it with head or tail, read the file with Grep, or Read with offset and limit.

Git and GitHub:
- Commit, amend, push or open a pull request only when asked to. Look at status, diff and log first; stage only what belongs to the change, and never secrets. The message says why, in the style of the log.
- Never change git's configuration, skip hooks, force-push or discard work that is not yours unless the user asks for exactly that. When a hook refuses a commit, mend the cause and make a new commit.
- For pull requests, issues and checks use gh; look at all commits since the base branch, and give the address of what you opened.`;
}

async function call(
  workspace: Workspace,
  { command, timeout, workdir }: Values<typeof FIELDS>,
  context: ToolContext,
  more: { userWrites: AbortSignal; answerLimits: AnswerLimits },
): Promise<CallAnswer> {
  const { sessionID, messageID, directory, abort } = context;
  const [{ BashCall }, { limitsOf }, { checkFolder }] = await Promise.all([
    import("../bash/call.js"),
    import("../bash/limits.js"),
    import("../process/start-input.js"),
  ]);
  const cwd = workdir === undefined ? directory : resolve(directory, workdir);
  await ask(workspace, command, cwd, context);
  checkFolder("workdir", cwd);
  const { rootSessionID } = await Access.of(workspace, sessionID);
  const limits = limitsOf({
    command,
    timeout,
    usual: usualTimeout(),
    isChild: rootSessionID !== sessionID,
    oneShot: workspace.oneShot,
    options: workspace.options,
  });
  const callID: unknown = Reflect.get(context, "callID");
  const request = { command, cwd, sessionID, rootSessionID, messageID, limits, abort, ...more };
  const answer = await new BashCall(workspace, {
    ...request,
    callID: typeof callID === "string" ? callID : undefined,
  }).run();
  if (answer.metadata.processId === undefined) return answer;
  return { ...answer, output: withProblem(workspace, answer.output) };
}

/** The host ends the turn when its user rejects what one of its tools asks: it must see its own error. */
async function ask(
  workspace: Workspace,
  command: string,
  cwd: string,
  context: ToolContext,
): Promise<void> {
  const own = asker(context);
  let refusal: Error | undefined;
  try {
    await workspace.permission.ask({
      ...own,
      command,
      cwd,
      ask: async (question) => {
        try {
          await own.ask(question);
        } catch (thrown) {
          refusal = coerceError(thrown);
          throw thrown;
        }
      },
    });
  } catch (thrown) {
    throw refusal ?? thrown;
  }
}

/** The host's own bash ignores what it does not know, and models write a `description`. */
function known(raw: unknown): unknown {
  if (typeof raw !== "object" || raw === null) return raw;
  return Object.fromEntries(Object.entries(raw).filter(([name]) => Object.hasOwn(FIELDS, name)));
}

function usualTimeout(env: NodeJS.ProcessEnv = process.env): number {
  const set = Number(env["OPENCODE_EXPERIMENTAL_BASH_DEFAULT_TIMEOUT_MS"]);
  return Number.isInteger(set) && set > 0 ? set : USUAL_MILLISECONDS;
}
