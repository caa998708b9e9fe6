/**
 * Reads an output file (see output-format.ts) from the file alone, also while it is being written, also from
 * another process. One block is in memory at a time. What the writer overwrites meanwhile comes as a gap, never
 * as wrong text.
 */
import { closeSync, openSync, readSync } from "node:fs";
import {
  BLOCK_HEADER,
  FILE_HEADER,
  blockPosition,
  oldestInRing,
  parseBlockHeader,
  parseFileHeader,
  parseFrames,
  type BlockHeader,
  type Frame,
  type Layout,
} from "./output-format.js";

/** What the reader asks of the system. */
export interface ReaderFs {
  open(file: string): number;
  /** Returns the bytes read; 0 at the end of the file. */
  read(fd: number, into: Buffer, length: number, position: number): number;
  close(fd: number): void;
}

export const systemReaderFs: ReaderFs = {
  open: (file) => openSync(file, "r"),
  read: (fd, into, length, position) => readSync(fd, into, 0, length, position),
  close: (fd) => closeSync(fd),
};

/** A stretch of the output that the file does not hold (any more). */
export interface Gap {
  offset: number;
  bytes: number;
}

export type Piece = { gap: Gap; frame?: undefined } | { frame: Frame; gap?: undefined };

export interface PieceRange {
  /** Bytes of output before `from` are left out; 0 by default. */
  from?: number;
  /** Stops before this place; the end of the output by default. */
  to?: number;
}

/**
 * Opens an output file; close it. Undefined when there is none yet, or it is not one.
 * Throws what the system says when the file cannot be opened for another reason.
 */
export function openOutput(file: string, fs: ReaderFs = systemReaderFs): OutputReader | undefined {
  let fd: number;
  try {
    fd = fs.open(file);
  } catch (thrown) {
    if (thrown instanceof Error && "code" in thrown && thrown.code === "ENOENT") return undefined;
    throw thrown;
  }
  const header = Buffer.alloc(FILE_HEADER);
  const layout =
    fs.read(fd, header, FILE_HEADER, 0) === FILE_HEADER ? parseFileHeader(header) : undefined;
  if (layout) return new OutputReader(fd, layout, fs);
  fs.close(fd);
  return undefined;
}

export class OutputReader {
  readonly #fd: number;
  readonly #layout: Layout;
  readonly #fs: ReaderFs;
  #newest: number;

  constructor(fd: number, layout: Layout, fs: ReaderFs) {
    this.#fd = fd;
    this.#layout = layout;
    this.#fs = fs;
    this.#newest = this.#findNewest();
  }

  close(): void {
    this.#fs.close(this.#fd);
  }

  /** The place after the last byte that the file holds. */
  end(): number {
    this.#advance();
    const block = this.#readBlock(this.#newest);
    const last = block?.frames.at(-1);
    return last ? last.offset + last.data.length : (block?.start ?? 0);
  }

  /** The oldest byte behind the head that is still there; what lies between the head and it is gone. */
  oldestAfterHead(): number {
    this.#advance();
    const oldest = oldestInRing(this.#layout, this.#newest);
    return this.#readHeader(oldest)?.start ?? 0;
  }

  /**
   * Frames and gaps in order, from `from` to the end as it is when a block is reached. Data is valid for ever:
   * each block is read into memory of its own.
   */
  *pieces({ from = 0, to = Number.POSITIVE_INFINITY }: PieceRange = {}): Generator<Piece> {
    this.#advance();
    let at = from;
    let number = this.#blockAt(from);
    while (number <= this.#newest && at < to) {
      const block = this.#readBlock(number);
      if (block) {
        if (block.start > at) yield { gap: { offset: at, bytes: Math.min(block.start, to) - at } };
        at = Math.max(at, Math.min(block.start, to));
        for (const whole of block.frames) {
          const frame = cutFrame(whole, at, to);
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
    let newest = -1;
    // Places, not numbers: the first round of numbers lies in each place once.
    for (let place = 0; place < headBlocks + ringBlocks; place++) {
      const header = this.#headerAt(blockPosition(this.#layout, place));
      if (!header) break;
      newest = Math.max(newest, header.number);
    }
    return newest;
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
    const bytes = Buffer.alloc(BLOCK_HEADER);
    const count = this.#fs.read(this.#fd, bytes, BLOCK_HEADER, position);
    return count === BLOCK_HEADER ? parseBlockHeader(bytes) : undefined;
  }

  #readHeader(number: number): BlockHeader | undefined {
    if (number < 0) return undefined;
    const header = this.#headerAt(blockPosition(this.#layout, number));
    return header?.number === number ? header : undefined;
  }

  #readBlock(number: number): { start: number; frames: Frame[] } | undefined {
    if (number < 0) return undefined;
    const { blockSize } = this.#layout;
    const bytes = Buffer.alloc(blockSize);
    const position = blockPosition(this.#layout, number);
    const count = this.#fs.read(this.#fd, bytes, blockSize, position);
    const header = parseBlockHeader(bytes.subarray(0, count));
    // Read again afterwards: when the writer began to overwrite the block meanwhile, it is gone.
    if (header?.number !== number || !this.#readHeader(number)) return undefined;
    return { start: header.start, frames: parseFrames(bytes.subarray(0, count), header.start) };
  }
}

function cutFrame(frame: Frame, from: number, to: number): Frame | undefined {
  const skip = Math.max(0, from - frame.offset);
  const data = frame.data.subarray(skip, Math.max(skip, to - frame.offset));
  if (data.length === 0) return undefined;
  return { stream: frame.stream, offset: frame.offset + skip, data };
}
