/** One way to make a tool: its arguments are read and checked (`fields.ts`), then it asks, does and answers. */
import type { ToolContext, ToolDefinition } from "@opencode-ai/plugin";
import type { z } from "zod";
import { harmlessLines, oneLine } from "../text.js";
import type { Ask } from "../permission/ask.js";
import type { Workspace } from "../workspace.js";
import { Access } from "./access.js";
import { type Fields, parseArguments, type Refused, type Values } from "./fields.js";

/** The host cuts a tool's answer at 51,200 bytes and 2,000 lines: what we cut says where it goes on. */
const MOST_BYTES = 48_000;
const MOST_LINES = 1_980;

/** The workspace for a call in this session, with the jobs of earlier owners known. */
export type Ready = (sessionID: string) => Promise<Workspace>;

interface ToolSpec<F extends Fields> {
  description: string;
  fields: F;
  refused?: Refused;
  run(args: Values<F>, context: ToolContext): Promise<string>;
}

export function defineTool<F extends Fields>(spec: ToolSpec<F>): ToolDefinition {
  const args: Record<string, z.ZodType> = {};
  for (const [name, { shown }] of Object.entries(spec.fields)) args[name] = shown;
  return {
    description: spec.description,
    args,
    execute: async (raw: unknown, context) =>
      limit(await spec.run(parseArguments(spec.fields, raw, spec.refused), context)),
  };
}

/** The last net: whatever an answer holds, nothing unseen is in it, and the host does not cut it. */
function limit(answer: string): string {
  const text = harmlessLines(answer);
  const lines = text.split("\n");
  const whole = lines.length <= MOST_LINES ? text : lines.slice(0, MOST_LINES - 1).join("\n");
  if (whole === text && Buffer.byteLength(text) <= MOST_BYTES) return text;
  const bytes = Buffer.from(whole).subarray(0, MOST_BYTES - 60);
  return `${bytes.toString("utf8").replace(/\uFFFD+$/u, "")}\n… cut at ${MOST_BYTES} bytes or ${MOST_LINES} lines`;
}

/** What is the same for all calls of one message of the agent is said by one of their answers. */
export class OncePerMessage {
  #last = "";

  isFirst(messageID: string): boolean {
    const isFirst = messageID !== this.#last;
    this.#last = messageID;
    return isFirst;
  }
}

/** Says besides that a state which cannot be written keeps nothing for the next OpenCode. */
export function withProblem({ store }: Workspace, answer: string): string {
  const { problem } = store;
  if (problem === undefined) return answer;
  return `${answer}\nWarning: ${oneLine(problem, 500)}. Jobs go on, but are lost if OpenCode ends.`;
}

/** What every call begins with that is about no certain job: the question by the tool's name, and what may be seen. */
export async function enter(
  workspace: Workspace,
  context: ToolContext,
  tool: string,
  onlyWhereNamed = true,
): Promise<Access> {
  await workspace.permission.askForTool(context, { tool, pattern: "*", onlyWhereNamed });
  return Access.of(workspace, context.sessionID);
}

/** Names the jobs of which an answer says what a notice would say. */
type Tells = (jobIDs: readonly string[]) => void;

/**
 * Makes an answer, while notices about these jobs are held back; of those that it tells none is sent. The answer of a
 * call that was aborted is read by no agent, and tells nothing.
 */
export function answering(
  { notices }: Workspace,
  { sessionID, abort }: ToolContext,
  jobIDs: readonly string[],
  answer: (tells: Tells) => Promise<string>,
): Promise<string> {
  const made = (tells: Tells) => answer((ids) => (abort.aborted ? undefined : tells(ids)));
  return notices.answering(jobIDs, made, sessionID);
}

/** Gives a call that waits the signal that its user has written in the session since the call began. */
export async function listeningToUser<T>(
  { tasks }: Workspace,
  sessionID: string,
  call: (userWrites: AbortSignal) => Promise<T>,
): Promise<T> {
  const written = tasks.untilUserWrites(sessionID);
  try {
    return await call(written.signal);
  } finally {
    written.stop();
  }
}

/** Of a question about a command: in whose turn and where it is asked, and how. */
export function asker(context: ToolContext) {
  const { sessionID, agent, directory, worktree } = context;
  const ask: Ask = (request) => context.ask(request);
  return { sessionID, agent, directory, worktree, ask };
}
