/** getBackgroundTask: how a subagent stands, and what it said, page by page. */
import type { SubagentJob } from "../jobs/job.js";
import { isTerminal } from "../jobs/status.js";
import { UserError } from "../ports.js";
import type { TaskResult } from "../subagent/manager.js";
import { elapsed, headEnd, QUOTE_MARK, quoteLines, shownValue } from "../text.js";
import { aliased, group, optionalCursor, optionalId, optionalInteger } from "./fields.js";
import { answering, defineTool, enter, listeningToUser, type Ready } from "./define.js";
import { readGroup } from "./read-group.js";
import { describeJob } from "./describe-job.js";

export function getBackgroundTask(ready: Ready) {
  const lastReads = new LastReads();
  return defineTool({
    description: "State and text of a subagent by pages.",
    fields: {
      taskId: aliased(optionalId("bg"), "id"),
      group: group("In its place: both kinds"),
      wait: aliased(optionalInteger(0, 600, "Seconds to wait for its end"), "waitSeconds"),
      cursor: optionalCursor("From an earlier answer, or an offset"),
      length: aliased(
        optionalInteger(1, MOST_PAGE.characters, "Characters, default 16000"),
        "limit",
      ),
    },
    refused: { timeout: "wait (seconds)", timeoutMs: "wait (seconds)", waitMs: "wait (seconds)" },
    async run({ taskId, group: name, wait = 0, cursor, length }, context) {
      const { sessionID, abort } = context;
      if ((taskId === undefined) === (name === undefined)) {
        const got = taskId === undefined ? "neither" : "both";
        throw new UserError(`taskId: expected either it or group, got ${got}`);
      }
      const workspace = await ready(sessionID);
      return listeningToUser(workspace, sessionID, async (userWrites) => {
        const access = await enter(workspace, context, "getBackgroundTask");
        const ended = AbortSignal.any([abort, userWrites]);
        const milliseconds = wait * 1_000;
        if (taskId === undefined) {
          return readGroup(workspace, access, context, { name: name ?? "", milliseconds, ended });
        }
        await access.allowReading(taskId, sessionID);
        const { id } = await access.task(taskId);
        const { tasks, clock } = workspace;
        return answering(workspace, context, [id], async (tells) => {
          if (wait > 0) await tasks.wait(id, milliseconds, ended);
          const job = await access.task(id);
          const result = await tasks.result(job);
          const size = result.text.length;
          const unchanged = lastReads.unchanged(sessionID, job, size, clock.now());
          if (unchanged !== undefined && cursor === undefined) {
            const asks = job.blockedOn ? ` · waits for ${job.blockedOn.kind}` : "";
            const next = whatFollows(`${size}@${textMark(job, result.run)}`);
            return `${job.id} ${job.status}${asks} · unchanged since your last look ${elapsed(unchanged)} ago; you will be told when it ends ${next}`;
          }
          const line = describeJob(job, clock.now(), tasks.position(id));
          const text = page(job, result, { cursor, length });
          // Only an end or a question that this answer says is one that the parent was told of.
          const asks = job.blockedOn !== undefined && job.blockedOn.kind !== "retry";
          if (isTerminal(job.status) || asks) tells([id]);
          return `${line}\n${text}`;
        });
      });
    },
  });
}

/** Characters of a page unless another number is asked for; the rest is what the host leaves of any answer. */
const USUAL_PAGE = 16_000;
const MOST_PAGE = { characters: 40_000, bytes: 40_000, lines: 1_900 };

function page(
  job: SubagentJob,
  { text, run, toolError }: TaskResult,
  { cursor, length }: { cursor?: string | undefined; length?: number | undefined },
): string {
  const mark = textMark(job, run);
  const hasEnded = isTerminal(job.status);
  if (!text && hasEnded) {
    return `(no text output)${toolError ? `\nits last failed tool call: ${toolError}` : ""}`;
  }
  const { start, isOther } = startOf(cursor, mark, text.length);
  const characters = length ?? USUAL_PAGE;
  const end = pageEnd(text, start, { ...MOST_PAGE, characters });
  const lines = isOther ? ["(the cursor was of an earlier text; this is from the start)"] : [];
  const state = hasEnded ? (job.partial ? "partial result" : "result") : "text so far";
  if (start < end) {
    const isAll = start === 0 && end === text.length;
    const part = isAll ? "" : `, characters ${start} to ${end} of ${text.length}`;
    lines.push(`${state}${part}:`, ...quoteLines(text.slice(start, end).replace(/\n$/u, "")));
  } else lines.push(text ? `(nothing after character ${start} yet)` : "(no text yet)");
  if (length !== undefined && end < Math.min(text.length, start + length)) {
    lines.push(`[${end - start} of the ${length} characters asked for fit into one answer]`);
  }
  const next = `${end}@${mark}`;
  if (end < text.length) {
    lines.push(`… for the rest: getBackgroundTask({"taskId":"${job.id}","cursor":"${next}"})`);
  } else if (!hasEnded) lines.push(whatFollows(next));
  return lines.join("\n");
}

function whatFollows(cursor: string): string {
  return `(what comes after this: cursor "${cursor}")`;
}

/** A number alone is an offset in the text as it is now; a cursor of another text is of no use any more. */
function startOf(cursor: string | undefined, mark: string, length: number) {
  if (cursor === undefined) return { start: 0, isOther: false };
  const [, offset, given] = /^(\d{1,9})(?:@(\w{1,40}))?$/u.exec(cursor.trim()) ?? [];
  const start = Number(offset);
  if (offset !== undefined && given !== undefined && given !== mark) {
    return { start: 0, isOther: true };
  }
  if (offset !== undefined && start <= length) return { start, isOther: false };
  throw new UserError(
    `cursor: expected one from an earlier answer about this task, or an offset of 0 to ${length} characters, got ${shownValue(cursor)}`,
  );
}

/**
 * Runs are told apart by the end of their prompt's id, which is random. All that a running one has said so far is
 * another text than its result.
 */
function textMark(job: SubagentJob, run: string): string {
  return (run.slice(-8) || "none") + (isTerminal(job.status) ? "" : "_so_far");
}

/**
 * The end of the largest page from `start` within all limits, with the mark that each line gets: at a line end if that
 * keeps half of it, and never half of a character.
 */
function pageEnd(text: string, start: number, most: typeof MOST_PAGE): number {
  let bytes = QUOTE_MARK.length;
  let lines = 1;
  let end = start;
  for (const character of text.slice(start, start + most.characters)) {
    const isLineEnd = character === "\n";
    bytes += Buffer.byteLength(character) + (isLineEnd ? QUOTE_MARK.length : 0);
    lines += isLineEnd ? 1 : 0;
    if (bytes > most.bytes || lines > most.lines) break;
    end += character.length;
  }
  return end < text.length ? start + headEnd(text.slice(start), end - start) : end;
}

/** So many reads are remembered: a task that is not read again after its end would stay for ever. */
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
