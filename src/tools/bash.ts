/**
 * bash, in the place of the host's own: the same arguments, questions and answers, but a command whose time is over goes on
 * as a background process. Registered only where the user's options say so.
 */
import { resolve } from "node:path";
import type { ToolContext, ToolDefinition } from "@opencode-ai/plugin";
import { z } from "zod";
import type { CallAnswer } from "../bash/call.js";
import type { AnswerLimits } from "../bash/output.js";
import type { Options } from "../options.js";
import { coerceError } from "../ports.js";
import type { Workspace } from "../workspace.js";
import { describeBash } from "../bash/description.js";
import { Access } from "./access.js";
import { field, parseArguments, type Values } from "./arguments.js";
import { asker, withProblem, type Ready } from "./define.js";
import { optionalText } from "./fields.js";

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
  workdir: optionalText(4_000, { about: "Folder to run it in, instead of cd" }),
};

/** As the host takes it; see its OPENCODE_EXPERIMENTAL_BASH_DEFAULT_TIMEOUT_MS. */
const USUAL_MILLISECONDS = 120_000;
const WHOLE_OUTPUT: AnswerLimits = { lines: 2_000, bytes: 51_200 };

export function bash(ready: Ready, options: Pick<Options, "bashSeconds">): ToolDefinition {
  const args = Object.fromEntries(Object.entries(FIELDS).map(([name, { shown }]) => [name, shown]));
  const limits = new WeakMap<Workspace, Promise<AnswerLimits>>();
  const limitsOfAnswers = (workspace: Workspace): Promise<AnswerLimits> => {
    const known = limits.get(workspace) ?? readLimits(workspace);
    limits.set(workspace, known);
    return known;
  };
  return {
    description: describeBash(options),
    args,
    execute: async (raw: unknown, context): Promise<CallAnswer> => {
      const given = parseArguments(FIELDS, known(raw));
      const workspace = await ready(context.sessionID);
      // What the user writes while a question stands counts, too.
      const written = workspace.tasks.untilUserWrites(context.sessionID);
      try {
        return await call(workspace, given, context, {
          userWrites: written.signal,
          answerLimits: await limitsOfAnswers(workspace),
        });
      } finally {
        written.stop();
      }
    },
  };
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
    import("../process/check-input.js"),
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
    await workspace.askForCommand({
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

async function readLimits({ host, log }: Workspace): Promise<AnswerLimits> {
  try {
    return await host.answerLimits();
  } catch (thrown) {
    const error = coerceError(thrown).message;
    log("warn", "the limits of answers are not known; the usual ones are taken", { error });
    return WHOLE_OUTPUT;
  }
}

function usualTimeout(env: NodeJS.ProcessEnv = process.env): number {
  const set = Number(env["OPENCODE_EXPERIMENTAL_BASH_DEFAULT_TIMEOUT_MS"]);
  return Number.isInteger(set) && set > 0 ? set : USUAL_MILLISECONDS;
}
