/** `logs`: the output of a process as plain text, from the first byte that is kept or its last lines, and on as it comes. */
import { followOutput, type FollowSource } from "../output/follow.js";
import { openOutput } from "../output/reader.js";
import type { StreamPiece } from "../output/types.js";
import { UserError, type Clock, type Timer } from "../ports.js";
import { byteSize } from "../text.js";
import { jsonLine, safeOutput } from "./terminal.js";

export interface LogOptions {
  file: string;
  asJSON: boolean;
  /** Only the last so many of the lines that are there at first. */
  lines: number | undefined;
  /** Only lines with this text. */
  grep: string | undefined;
  /** Only lines that came then or later, in milliseconds since 1970. */
  since: number | undefined;
  /** Each line after the time at which it came. */
  timestamps: boolean;
  /** Nothing is written any more. Asked again and again while following, never rejects; undefined: only what is there. */
  hasEnded: (() => Promise<boolean>) | undefined;
  clock: Clock;
  signal?: AbortSignal | undefined;
}

const POLL_MILLISECONDS = 250;

/** Whole lines, ready to be written; throws the system's error when the file cannot be read. */
export async function* logs(options: LogOptions): AsyncGenerator<string, void, undefined> {
  const { file, asJSON, hasEnded, clock, signal } = options;
  const watch = new EndWatch(hasEnded, clock);
  const source = {
    open: () => openOutput(file),
    hasEnded: () => watch.hasEnded,
    onChange: (listener: () => void) => watch.listen(listener),
  };
  const wanted = (live: typeof source) => wantedLines(live, options, signal);
  let skip = 0;
  let lostThen = Number.POSITIVE_INFINITY;
  if (options.lines !== undefined) {
    // What is there now is counted first; a line that is still being written is one of them.
    const there = { ...source, hasEnded: () => true, onChange: () => () => undefined };
    let lost = 0;
    for await (const line of wanted(there)) {
      skip += line.stream === "lost" ? 0 : 1;
      lost = line.lost;
    }
    skip -= options.lines;
    lostThen = lost;
  }
  for await (const { stream, text, at, lost } of wanted(source)) {
    // Lost since they were counted: rather too many than too few.
    if (lost > lostThen) skip = 0;
    const isSkipped = skip > 0;
    if (stream !== "lost") skip -= 1;
    if (isSkipped) continue;
    const time = at === undefined ? undefined : new Date(at).toISOString();
    if (asJSON) yield jsonLine({ stream, line: text, at: time });
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
  { grep, since }: Pick<LogOptions, "grep" | "since">,
  signal: AbortSignal | undefined,
): AsyncGenerator<LogLine, void, undefined> {
  const finding = grep === undefined ? () => true : finds(grep);
  const isHit = (text: string, at: number | undefined): boolean => {
    if (since !== undefined && at === undefined) throw new UserError(NO_TIMES);
    return (since === undefined || (at ?? 0) >= since) && finding(text);
  };
  const lines = new Lines();
  let lost = 0;
  for await (const piece of followOutput(source, 0, signal)) {
    lost += piece.lost;
    const { stream, at } = piece;
    if (piece.lost > 0)
      yield { stream: "lost", text: `[${byteSize(piece.lost)} are not kept]`, at: undefined, lost };
    for (const line of lines.push(piece)) {
      const text = safeOutput(line);
      if (isHit(text, at)) yield { stream, text, at, lost };
    }
  }
  for (const { stream, text, at } of lines.rest()) {
    const plain = safeOutput(text);
    if (isHit(plain, at)) yield { stream, text: plain, at, lost };
  }
}

const NO_TIMES = "--since: this output was written by an earlier version, which kept no times";

/** A search in small letters finds capitals, too. */
function finds(text: string): (line: string) => boolean {
  if (text !== text.toLowerCase()) return (line) => line.includes(text);
  return (line) => line.toLowerCase().includes(text);
}

/** The pieces of two streams as the lines of each. */
class Lines {
  readonly #open = new Map<StreamPiece["stream"], Omit<StreamPiece, "lost">>();

  push({ stream, text, at }: StreamPiece): string[] {
    const lines = `${this.#open.get(stream)?.text ?? ""}${text}`.split("\n");
    this.#open.set(stream, { stream, text: lines.pop() ?? "", at });
    return lines;
  }

  rest(): Omit<StreamPiece, "lost">[] {
    return [...this.#open.values()].filter(({ text }) => text !== "");
  }
}

/** The file tells nothing by itself, so it is looked at four times a second while it is followed. */
class EndWatch {
  readonly #ask: (() => Promise<boolean>) | undefined;
  readonly #clock: Clock;
  #ended: boolean;

  constructor(ask: (() => Promise<boolean>) | undefined, clock: Clock) {
    this.#ask = ask;
    this.#clock = clock;
    this.#ended = ask === undefined;
  }

  get hasEnded(): boolean {
    return this.#ended;
  }

  listen(listener: () => void): () => void {
    let timer: Timer | undefined;
    let isStopped = false;
    const wait = (): void => {
      if (!this.#ended && !isStopped)
        timer = this.#clock.after(POLL_MILLISECONDS, () => void look());
    };
    const look = async (): Promise<void> => {
      this.#ended = (await this.#ask?.()) ?? true;
      listener();
      wait();
    };
    wait();
    return () => {
      isStopped = true;
      timer?.cancel();
    };
  }
}
