/** `logs`: the output of a process as plain text, from the first byte kept or its last lines, and on as it comes. */
import { statSync } from "node:fs";
import { followOutput, type FollowSource } from "../output/follow.js";
import { plainLine } from "../output/plain-text.js";
import { openOutput } from "../output/reader.js";
import type { StreamPiece } from "../output/types.js";
import { UserError, type Clock, type Timer } from "../ports.js";
import { byteSize, finds } from "../text.js";
import type { Request } from "./arguments.js";
import { json } from "./terminal.js";

export interface LogOptions extends Pick<
  Request,
  "json" | "lines" | "grep" | "since" | "timestamps"
> {
  file: string;
  /** Nothing is written any more; asked again and again, never rejects. Without it only what is there is shown. */
  hasEnded: (() => Promise<boolean>) | undefined;
  clock: Clock;
  signal?: AbortSignal | undefined;
}

const POLL_MILLISECONDS = 250;

/**
 * Whole lines, ready to be written; throws the system's error when the file cannot be read. A process that is started
 * again while it is followed has another file from then on: that is followed, too.
 */
export async function* logs(options: LogOptions): AsyncGenerator<string, void, undefined> {
  let run = watchRun(options);
  let skip = await skipped(run, options);
  for (;;) {
    yield* linesOf(run, options, skip);
    if (!run.isReplaced() || options.signal?.aborted) return;
    run = watchRun(options);
    skip = NOTHING_SKIPPED;
  }
}

interface Skip {
  lines: number;
  /** Bytes that were not there any more when the lines were counted. */
  lost: number;
}

const NOTHING_SKIPPED: Skip = { lines: 0, lost: 0 };

/** What is there now is counted first; a line that is still being written is one of them. */
async function skipped(run: FollowSource, options: LogOptions): Promise<Skip> {
  if (options.lines === undefined) return NOTHING_SKIPPED;
  const there = { open: () => run.open(), hasEnded: () => true, onChange: () => () => undefined };
  const skip = { lines: -options.lines, lost: 0 };
  for await (const line of wantedLines(there, options)) {
    skip.lines += line.stream === "lost" ? 0 : 1;
    skip.lost = line.lost;
  }
  return skip;
}

async function* linesOf(
  run: FollowSource,
  options: LogOptions,
  skip: Skip,
): AsyncGenerator<string, void, undefined> {
  let left = skip.lines;
  for await (const { stream, text, at, lost } of wantedLines(run, options)) {
    // Lost since they were counted: rather too many than too few.
    if (lost > skip.lost) left = 0;
    const isSkipped = left > 0;
    if (stream !== "lost") left -= 1;
    if (isSkipped) continue;
    const time = at === undefined ? undefined : new Date(at).toISOString();
    if (options.json) yield json({ stream, line: text, at: time }, 0);
    else yield options.timestamps ? `${time ?? NO_TIME} ${text}\n` : `${text}\n`;
  }
}

/** As wide as a time. */
const NO_TIME = "-".padEnd(24);

interface LogLine {
  /** `lost` says how much is missing at this place. */
  stream: StreamPiece["stream"] | "lost";
  text: string;
  at: number | undefined;
  /** Bytes that were lost up to here. */
  lost: number;
}

async function* wantedLines(
  source: FollowSource,
  { grep, since, signal }: LogOptions,
): AsyncGenerator<LogLine, void, undefined> {
  // None finds nothing in a search, and says of all lines that they are wanted here.
  const finding = grep ? finds(grep) : () => true;
  let lost = 0;
  const wanted = ({ stream, text: raw, at }: Omit<StreamPiece, "lost">): LogLine[] => {
    if (since !== undefined && at === undefined) throw new UserError(NO_TIMES);
    const text = plainLine(raw);
    const isWanted = (since === undefined || (at ?? 0) >= since) && finding(text);
    return isWanted ? [{ stream, text, at, lost }] : [];
  };
  const open = new Map<StreamPiece["stream"], Omit<StreamPiece, "lost">>();
  for await (const piece of followOutput(source, 0, signal)) {
    const { stream, at } = piece;
    lost += piece.lost;
    if (piece.lost > 0)
      yield { stream: "lost", text: `[${byteSize(piece.lost)} are not kept]`, at: undefined, lost };
    const lines = `${open.get(stream)?.text ?? ""}${piece.text}`.split("\n");
    open.set(stream, { stream, text: lines.pop() ?? "", at });
    for (const text of lines) yield* wanted({ stream, text, at });
  }
  for (const rest of open.values()) if (rest.text !== "") yield* wanted(rest);
}

const NO_TIMES = "--since: this output was written by an earlier version, which kept no times";

/**
 * The output of one run while it is followed. The file tells nothing by itself, so it is looked at four times a second:
 * whether the process has ended, and whether another file is in its place.
 */
function watchRun({ file, hasEnded, clock }: LogOptions) {
  const inode = () => statSync(file, { throwIfNoEntry: false })?.ino;
  let opened: number | undefined;
  let isOver = hasEnded === undefined;
  let isReplaced = false;
  return {
    isReplaced: () => isReplaced,
    hasEnded: () => isOver,
    open: () => {
      const reader = openOutput(file);
      if (reader) opened = inode();
      return reader;
    },
    onChange: (listener: () => void) => {
      let timer: Timer | undefined;
      let isStopped = false;
      const wait = (): void => {
        if (!isOver && !isStopped) timer = clock.after(POLL_MILLISECONDS, () => void look());
      };
      const look = async (): Promise<void> => {
        const ended = (await hasEnded?.()) ?? true;
        isReplaced = opened !== undefined && inode() !== opened;
        isOver = ended || isReplaced;
        listener();
        wait();
      };
      wait();
      return () => {
        isStopped = true;
        timer?.cancel();
      };
    },
  };
}
