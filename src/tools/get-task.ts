/** getBackgroundTask: how a subagent stands, and what it said, page by page. */
import type { SubagentJob } from "../jobs/job.js";
import { isTerminal } from "../jobs/status.js";
import { UserError } from "../ports.js";
import type { TaskResult } from "../subagent/manager.js";
import { elapsed } from "../text.js";
import { Access } from "./access.js";
import { askForTool, defineTool, type Ready } from "./define.js";
import { readGroup } from "./read-group.js";
import { bytesAfter, describeJob } from "./describe-job.js";
import { group, optionalCursor, optionalId, optionalInteger } from "./fields.js";

export function getBackgroundTask(ready: Ready) {
  const lastReads = new LastReads();
  return defineTool({
    description: "State and text of a subagent by pages. You are told its end: never poll.",
    fields: {
      taskId: optionalId("bg", { aliases: ["id"] }),
      group: group("In its place: both kinds"),
      wait: optionalInteger(0, 600, {
        about: "Seconds to wait for its end",
        aliases: ["waitSeconds"],
      }),
      cursor: optionalCursor("From an earlier answer"),
    },
    refused: { timeout: "wait (seconds)", timeoutMs: "wait (seconds)", waitMs: "wait (seconds)" },
    async run({ taskId, group: name, wait = 0, cursor }, context) {
      const { sessionID, abort } = context;
      if ((taskId === undefined) === (name === undefined)) {
        const got = taskId === undefined ? "neither" : "both";
        throw new UserError(`taskId: expected either it or group, got ${got}`);
      }
      const workspace = await ready(sessionID);
      // What the user writes while the rest is looked up ends the wait as well.
      const written = workspace.tasks.untilUserWrites(sessionID);
      try {
        return await look(written.signal);
      } finally {
        written.stop();
      }

      async function look(userWrites: AbortSignal): Promise<string> {
        await askForTool(workspace, context, {
          tool: "getBackgroundTask",
          pattern: "*",
          onlyWhereNamed: true,
        });
        const access = await Access.of(workspace, sessionID);
        const ended = AbortSignal.any([abort, userWrites]);
        if (taskId === undefined) {
          return readGroup(workspace, access, context, {
            name: name ?? "",
            milliseconds: wait * 1_000,
            ended,
          });
        }
        await access.allowReading(taskId, sessionID);
        const { id } = await access.task(taskId);
        const now = () => workspace.clock.now();
        const read = async (tells: (ids: string[]) => void): Promise<string> => {
          if (wait > 0) await workspace.tasks.wait(id, wait * 1_000, ended);
          const job = await access.task(taskId);
          const result = await workspace.tasks.result(job);
          const unchanged = lastReads.unchanged(sessionID, job, result.text.length, now());
          if (unchanged !== undefined && cursor === undefined) {
            const asks = job.blockedOn ? ` · waits for ${job.blockedOn.kind}` : "";
            return `${job.id} ${job.status}${asks} · unchanged since your last look ${elapsed(unchanged)} ago; you will be told when it ends`;
          }
          const line = describeJob(job, now(), workspace.tasks.position(id));
          const answer = `${line}\n${page(job, result, cursor, bytesAfter(line))}`;
          // Only an end or a question that this answer says is one that the parent was told of.
          const asks = job.blockedOn !== undefined && job.blockedOn.kind !== "retry";
          if ((isTerminal(job.status) || asks) && !abort.aborted) tells([id]);
          return answer;
        };
        return workspace.notices.answering([id], read, sessionID);
      }
    },
  });
}

function page(
  job: SubagentJob,
  { text, run, toolError }: TaskResult,
  cursor: string | undefined,
  most: number,
): string {
  const mark = textMark(job, run);
  if (!text) {
    if (!isTerminal(job.status)) return "(no text yet)";
    return `(no text output)${toolError ? `\nits last failed tool call: ${toolError}` : ""}`;
  }
  const start = cursor === undefined ? 0 : startOf(cursor, mark, text.length);
  const end = pageEnd(text, start, most);
  const state = isTerminal(job.status)
    ? job.partial
      ? "partial result"
      : "result"
    : "text so far";
  const head = `${state}, characters ${start} to ${end} of ${text.length}:`;
  const rest =
    end < text.length
      ? `\n… for the rest: getBackgroundTask({"taskId":"${job.id}","cursor":"${end}@${mark}"})`
      : "";
  return `${head}\n${text.slice(start, end)}${rest}`;
}

function startOf(cursor: string, expected: string, length: number): number {
  const [, offset, mark] = /^(\d+)@(\w+)$/u.exec(cursor) ?? [];
  const start = Number(offset);
  if (mark === expected && start <= length) return start;
  throw new UserError(
    `cursor: expected one from the latest answer about this task (without one it is read from its start), got ${JSON.stringify(cursor.slice(0, 100))}`,
  );
}

/**
 * Runs are told apart by the end of their prompt's id, which is random. All that a running one has said so far is
 * another text than its result.
 */
function textMark(job: SubagentJob, run: string): string {
  return run.slice(-8) + (isTerminal(job.status) ? "" : "_so_far");
}

/** The largest page of so many bytes from `start`, never half of a character. */
function pageEnd(text: string, start: number, most: number): number {
  let bytes = 0;
  let end = start;
  for (const character of text.slice(start, start + most)) {
    bytes += Buffer.byteLength(character);
    if (bytes > most) break;
    end += character.length;
  }
  return end;
}

/** So many reads are remembered: a task that nobody reads again after its end would stay for ever. */
const MOST_READS = 200;

/** What each session saw last of each running task, so that a look without news is one line. */
class LastReads {
  readonly #reads = new Map<string, { seen: string; at: number }>();

  /** Milliseconds since the same state was read, or undefined when there is news. */
  unchanged(sessionID: string, job: SubagentJob, length: number, now: number): number | undefined {
    const key = `${sessionID} ${job.id}`;
    if (isTerminal(job.status)) {
      this.#reads.delete(key);
      return undefined;
    }
    const seen = [
      job.status,
      job.progress.toolCalls,
      job.progress.runningTool,
      length,
      job.blockedOn?.what,
      job.stalledSince,
    ].join();
    const last = this.#reads.get(key);
    if (last?.seen === seen) return now - last.at;
    this.#reads.delete(key);
    this.#reads.set(key, { seen, at: now });
    const [oldest] = this.#reads.keys();
    if (this.#reads.size > MOST_READS && oldest !== undefined) this.#reads.delete(oldest);
    return undefined;
  }
}
