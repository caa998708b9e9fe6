/**
 * The output of a process as it comes, from the start or a place on, until it has ended and all of it was
 * handed over. It reads from the file at the pace of its reader, so nothing piles up in memory; who is slower
 * than the ring is told how many bytes were lost.
 */
import { StringDecoder } from "node:string_decoder";
import { STREAMS } from "./format.js";
import { streamName } from "./page.js";
import type { OutputReader } from "./reader.js";
import { fromCharacter } from "./plain-text.js";
import type { StreamPiece } from "./types.js";

export interface FollowSource {
  /** Undefined while there is no output. */
  open(): OutputReader | undefined;
  /** Nothing will be appended any more. */
  hasEnded(): boolean;
  /** Calls back at every output and at the end; returns the function that stops it. */
  onChange(listener: () => void): () => void;
}

/** For a reader that does not want all of what comes fast. */
export interface Pace {
  /** Asked before each round of reading: `at`, or a later place; what is between counts as lost. */
  next(at: number, end: number): Promise<number>;
  /** Whether the round ends here. */
  isOver(at: number): boolean;
}

export async function* followOutput(
  source: FollowSource,
  from: number,
  signal?: AbortSignal,
  pace?: Pace,
): AsyncGenerator<StreamPiece, void, undefined> {
  const characters = [new Characters(), new Characters()] as const;
  let tell: () => void = () => undefined;
  const nextNews = () => new Promise<void>((resolve) => (tell = resolve));
  // It happens also while no reader waits.
  let news = nextNews();
  const onNews = () => tell();
  const stopListening = source.onChange(onNews);
  signal?.addEventListener("abort", onNews);
  let reader: OutputReader | undefined;
  let at = from;
  let lost = 0;
  try {
    for (;;) {
      // Asked before reading: what is appended afterwards is seen in the next round.
      const isLast = source.hasEnded();
      reader ??= source.open();
      const next = pace && reader ? await pace.next(at, reader.end()) : at;
      if (next > at) {
        lost += next - at;
        at = next;
        for (const each of characters) each.cut();
      }
      let isPaused = false;
      for (const { frame, gap } of reader?.pieces(at) ?? []) {
        if (signal?.aborted) return;
        if (gap) {
          at = gap.offset + gap.bytes;
          lost += gap.bytes;
          for (const each of characters) each.cut();
          continue;
        }
        at = frame.offset + frame.data.length;
        const text = characters[frame.stream].write(frame.data);
        if (text === "") continue;
        yield { stream: streamName(frame.stream), text, at: frame.at, lost };
        lost = 0;
        isPaused = pace?.isOver(at) ?? false;
        if (isPaused) break;
      }
      if (isPaused) continue;
      if (isLast || signal?.aborted) break;
      await news;
      news = nextNews();
    }
    for (const stream of STREAMS) {
      const text = characters[stream].end();
      if (text !== "" && !signal?.aborted) yield { stream: streamName(stream), text, lost: 0 };
    }
  } finally {
    stopListening();
    signal?.removeEventListener("abort", onNews);
    reader?.close();
  }
}

/** The pieces of one stream as whole characters. */
class Characters {
  readonly #decoder = new StringDecoder("utf8");
  #isCut = false;

  write(data: Buffer): string {
    const whole = this.#isCut ? fromCharacter(data) : data;
    this.#isCut = false;
    return this.#decoder.write(whole);
  }

  /** Something is missing here: half a character on either side of it is nothing. */
  cut(): void {
    this.#decoder.end();
    this.#isCut = true;
  }

  end(): string {
    return this.#decoder.end();
  }
}
