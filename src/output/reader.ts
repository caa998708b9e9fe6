/**
 * Reads an output file (see format.ts) from the file alone, also while it is being written, also from
 * another process. One block is in memory at a time. What the writer overwrites meanwhile comes as a gap, never
 * as wrong text.
 */
import { closeSync, openSync, readSync } from "node:fs";
import { errorCode } from "../ports.js";
import {
  BLOCK_HEADER,
  FILE_HEADER,
  blockPosition,
  oldestInRing,
  parseBlockHeader,
  parseFileHeader,
  parseFrames,
  partOf,
  type BlockHeader,
  type Frame,
  type Layout,
} from "./format.js";

/** A stretch of the output that the file does not hold (any more). */
interface Gap {
  offset: number;
  bytes: number;
}

export type Piece = { gap: Gap; frame?: undefined } | { frame: Frame; gap?: undefined };

/**
 * Opens an output file; close it. Undefined when there is none yet, or it is not one.
 * Throws what the system says when the file cannot be opened for another reason.
 */
export function openOutput(file: string): OutputReader | undefined {
  let fd: number;
  try {
    fd = openSync(file, "r");
  } catch (thrown) {
    if (errorCode(thrown) === "ENOENT") return undefined;
    throw thrown;
  }
  let reader: OutputReader | undefined;
  try {
    const layout = parseFileHeader(readAt(fd, FILE_HEADER, 0));
    reader = layout && new OutputReader(fd, layout);
    return reader;
  } finally {
    if (!reader) closeSync(fd);
  }
}

export class OutputReader {
  readonly #fd: number;
  readonly #layout: Layout;
  #newest: number;

  constructor(fd: number, layout: Layout) {
    this.#fd = fd;
    this.#layout = layout;
    this.#newest = this.#findNewest();
  }

  close(): void {
    closeSync(this.#fd);
  }

  /** The place after the last byte that the file holds. */
  end(): number {
    this.#advance();
    const block = this.#readBlock(this.#newest);
    const last = block?.frames.at(-1);
    return last ? last.offset + last.data.length : (block?.start ?? 0);
  }

  /**
   * Frames and gaps in order, from `from` to the end as it is when a block is reached. Data is valid for ever:
   * each block is read into memory of its own.
   */
  *pieces(from = 0): Generator<Piece> {
    this.#advance();
    let at = from;
    let number = this.#blockAt(from);
    while (number <= this.#newest) {
      const block = this.#readBlock(number);
      if (block) {
        if (block.start > at) yield { gap: { offset: at, bytes: block.start - at } };
        at = Math.max(at, block.start);
        for (const whole of block.frames) {
          const frame = partOf(whole, at);
          if (!frame) continue;
          at = frame.offset + frame.data.length;
          yield { frame };
        }
      }
      number += 1;
      // Between the head and the ring, and whenever the writer has passed by, blocks are gone.
      if (number >= this.#layout.headBlocks) {
        this.#advance();
        number = Math.max(number, oldestInRing(this.#layout, this.#newest));
      }
    }
  }

  /** The last block that starts at or before this place, or the first one that is left after it. */
  #blockAt(place: number): number {
    const { headBlocks } = this.#layout;
    const oldest = oldestInRing(this.#layout, this.#newest);
    const inRing = this.#newest >= headBlocks && place >= (this.#readHeader(oldest)?.start ?? 0);
    let low = inRing ? oldest : 0;
    let high = inRing ? this.#newest : Math.min(this.#newest, headBlocks - 1);
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      const header = this.#readHeader(middle);
      if (header && header.start <= place) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  #findNewest(): number {
    const { headBlocks, ringBlocks } = this.#layout;
    // Places, not numbers: the first round of numbers lies in each place once.
    const numberIn = (place: number) =>
      this.#headerAt(blockPosition(this.#layout, place))?.number ?? -1;
    const ring = numberIn(headBlocks);
    const first = ring < 0 ? 0 : headBlocks;
    const oldest = ring < 0 ? numberIn(0) : ring;
    if (oldest < 0) return -1;
    // From the first place on numbers grow by one up to the newest; behind it are older ones, or none.
    let low = 0;
    let high = (ring < 0 ? headBlocks : ringBlocks) - 1;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (numberIn(first + middle) >= oldest) low = middle;
      else high = middle - 1;
    }
    return oldest + low;
  }

  /** Follows the writer. A number beyond the next one in the next one's place: it has lapped us. */
  #advance(): void {
    for (;;) {
      const next = this.#headerAt(blockPosition(this.#layout, this.#newest + 1));
      if (!next || next.number <= this.#newest) return;
      this.#newest = next.number === this.#newest + 1 ? next.number : this.#findNewest();
    }
  }

  #headerAt(position: number): BlockHeader | undefined {
    return parseBlockHeader(readAt(this.#fd, BLOCK_HEADER, position));
  }

  #readHeader(number: number): BlockHeader | undefined {
    if (number < 0) return undefined;
    const header = this.#headerAt(blockPosition(this.#layout, number));
    return header?.number === number ? header : undefined;
  }

  #readBlock(number: number): { start: number; frames: Frame[] } | undefined {
    if (number < 0) return undefined;
    const bytes = readAt(this.#fd, this.#layout.blockSize, blockPosition(this.#layout, number));
    const header = parseBlockHeader(bytes);
    // Read again afterwards: when the writer began to overwrite the block meanwhile, it is gone.
    if (header?.number !== number || !this.#readHeader(number)) return undefined;
    return { start: header.start, frames: parseFrames(bytes, header, this.#layout) };
  }
}

/** Fewer bytes only at the end of the file. */
function readAt(fd: number, length: number, position: number): Buffer {
  const bytes = Buffer.alloc(length);
  return bytes.subarray(0, readSync(fd, bytes, 0, length, position));
}
