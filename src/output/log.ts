/**
 * The writer of one process's output: a file that never grows beyond its limit (see format.ts), written
 * synchronously at fixed places, so that what was appended can be read at once by anybody. In memory it holds
 * the one block that is being filled, however much is written.
 *
 * It never throws and never stops the process. While the disk refuses, the newest block waits in memory and is
 * written as soon as the disk takes it again; what did not fit meanwhile counts as dropped, and `missing` says
 * since when and why. The file is made at the first append: no output, no file.
 */
import { closeSync, mkdirSync, openSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { coerceError, errorCode, type Clock } from "../ports.js";
import {
  BLOCK_HEADER,
  blockPosition,
  END_MARK,
  fileHeader,
  FRAME_HEADER,
  layoutFor,
  TICK,
  writeBlockHeader,
  type BlockHeader,
  type Layout,
  type StreamNumber,
} from "./format.js";

/** What the writer asks of the system; tests pass one that fails. */
export type OutputFs = typeof systemOutputFs;

export const systemOutputFs = {
  mkdir: (folder: string): void => void mkdirSync(folder, { recursive: true, mode: 0o700 }),
  open: (file: string, flags: string, mode: number) => openSync(file, flags, mode),
  /** Returns the bytes written, possibly fewer than `length`. */
  write: (fd: number, data: Buffer, from: number, length: number, position: number) =>
    writeSync(fd, data, from, length, position),
  close: (fd: number) => closeSync(fd),
};

/** While the disk refuses, it is asked again at most this often. */
const RETRY_MILLISECONDS = 500;

export class OutputLog {
  readonly file: string;
  readonly #fs: OutputFs;
  readonly #clock: Pick<Clock, "now" | "monotonic">;
  readonly #layout: Layout;
  /** Bytes of output in each block that was not overwritten, by its number. */
  readonly #held = new Map<number, number>();
  #block: OutputBlock | undefined;
  #fd: number | undefined;
  #hasHeader = false;
  #bytes = 0;
  #lostToDisk = 0;
  /** What has to be put back before anything else is written. */
  #torn: { bytes: Buffer; position: number } | undefined;
  #missing: { since: Date; error: string } | undefined;
  #retryAt = 0;
  #closed = false;

  constructor(
    file: string,
    limit: number,
    clock: Pick<Clock, "now" | "monotonic">,
    fs: OutputFs = systemOutputFs,
  ) {
    this.file = file;
    this.#fs = fs;
    this.#clock = clock;
    this.#layout = layoutFor(limit);
  }

  /** Bytes appended in all. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Since when output could not be written, and why; undefined when nothing is missing. */
  get missing(): { since: Date; error: string } | undefined {
    return this.#missing;
  }

  /** Bytes of these that the file does not hold any more, or never did. */
  get dropped(): number {
    let dropped = this.#bytes;
    for (const held of this.#held.values()) dropped -= held;
    return dropped;
  }

  /**
   * The data is on disk (or, while the disk refuses, copied) when this returns. After `close` it only counts.
   * `time` is when it came, for a copy of an older output.
   */
  append(stream: StreamNumber, data: Buffer, time = this.#clock.now()): void {
    if (this.#closed) {
      this.#bytes += data.length;
      return;
    }
    let from = 0;
    while (from < data.length) {
      const block =
        this.#block ?? this.#beginBlock(Buffer.allocUnsafeSlow(this.#layout.blockSize), 0, time);
      const taken = block.add(stream, data, from, time);
      this.#bytes += taken;
      this.#held.set(block.header.number, block.payload);
      from += taken;
      if (taken === 0) this.#nextBlock(block, time);
    }
    if (this.#block) this.#write(this.#block);
  }

  /** So many bytes of the output come here that are not there any more: of a copy. */
  skip(bytes: number, time: number): void {
    this.#bytes += bytes;
    if (this.#block) this.#nextBlock(this.#block, time);
  }

  /** Writes what is waiting, if anything is; for a reader that is about to come. */
  retry(): void {
    if (this.#block) this.#write(this.#block);
  }

  /** Writes the rest and lets go of the file and the memory. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#retryAt = 0;
    if (this.#block && !this.#write(this.#block)) this.#giveUp(this.#block);
    this.#block = undefined;
    this.#closeFile();
  }

  #beginBlock(memory: Buffer, number: number, time: number): OutputBlock {
    const { headBlocks, ringBlocks } = this.#layout;
    const overwritten = number - ringBlocks;
    if (overwritten >= headBlocks) this.#held.delete(overwritten);
    this.#block = new OutputBlock(memory, { number, start: this.#bytes, time });
    return this.#block;
  }

  #nextBlock(block: OutputBlock, time: number): void {
    if (!this.#write(block)) this.#giveUp(block);
    // A block of which nothing reached the disk leaves its number to the next: numbers have no holes.
    const number = block.header.number + (block.payloadOnDisk > 0 ? 1 : 0);
    this.#beginBlock(block.bytes, number, time);
  }

  /** The part of the block that never reached the disk is lost. */
  #giveUp(block: OutputBlock): void {
    this.#lostToDisk += block.payload - block.payloadOnDisk;
    this.#held.set(block.header.number, block.payloadOnDisk);
  }

  #write(block: OutputBlock): boolean {
    const dirty = block.dirty();
    if (!dirty) return true;
    if (this.#clock.monotonic() < this.#retryAt) return false;
    try {
      const fd = this.#openFile();
      this.#writeHeader(fd);
      this.#mend(fd);
      this.#writeBlock(fd, block, dirty);
    } catch (thrown) {
      this.#failed(coerceError(thrown));
      return false;
    }
    block.written();
    this.#retryAt = 0;
    if (this.#lostToDisk === 0) this.#missing = undefined;
    return true;
  }

  /** A frame's length is on disk before its bytes: what a failed write has begun is undone. */
  #writeBlock(fd: number, block: OutputBlock, dirty: { from: number; to: number }): void {
    const position = blockPosition(this.#layout, block.header.number);
    try {
      this.#writeAll(fd, block.bytes, dirty, position);
    } catch (thrown) {
      const { from, bytes } = block.saved();
      this.#torn = { bytes, position: position + from };
      // A full disk takes it: these bytes have their place.
      this.#mend(fd);
      throw thrown;
    }
  }

  #mend(fd: number): void {
    if (!this.#torn) return;
    const { bytes, position } = this.#torn;
    this.#writeAll(fd, bytes, { from: 0, to: bytes.length }, position);
    this.#torn = undefined;
  }

  #openFile(): number {
    if (this.#fd !== undefined) return this.#fd;
    this.#fs.mkdir(dirname(this.file));
    // "w" empties the file: right the first time, a loss when it is only being opened again.
    this.#fd = this.#fs.open(this.file, this.#hasHeader ? "r+" : "w", 0o600);
    return this.#fd;
  }

  #writeHeader(fd: number): void {
    if (this.#hasHeader) return;
    const header = fileHeader(this.#layout);
    this.#writeAll(fd, header, { from: 0, to: header.length }, 0);
    this.#hasHeader = true;
  }

  #writeAll(
    fd: number,
    bytes: Buffer,
    range: { from: number; to: number },
    position: number,
  ): void {
    let at = range.from;
    while (at < range.to) {
      const count = this.#fs.write(fd, bytes, at, range.to - at, position + at);
      if (count <= 0) throw new Error("the disk took no bytes");
      at += count;
    }
  }

  #failed(error: Error): void {
    this.#retryAt = this.#clock.monotonic() + RETRY_MILLISECONDS;
    this.#missing ??= { since: new Date(this.#clock.now()), error: error.message };
    // A descriptor that the system does not know any more is opened anew; a full disk keeps its own.
    if (errorCode(error) === "EBADF") this.#fd = undefined;
  }

  #closeFile(): void {
    if (this.#fd === undefined) return;
    try {
      this.#fs.close(this.#fd);
    } catch (thrown) {
      // Everything is written; a close that fails (network folders report late errors here) is only noted.
      this.#failed(coerceError(thrown));
    }
    this.#fd = undefined;
  }
}

/** A piece joins the frame before it, of the same moment, while that is shorter: characters cost no frame each. */
const JOIN_BELOW = 2048;

/** More than a year. */
const MOST_TICKS = 2 ** 32 - 1;

/** The block that is being filled, in memory: takes pieces as frames and knows which of its bytes are not on disk. */
class OutputBlock {
  readonly bytes: Buffer;
  readonly header: BlockHeader;
  /** Bytes of output in it. */
  payload = 0;
  payloadOnDisk = 0;
  #used = BLOCK_HEADER;
  #dirtyFrom = 0;
  #frameAt = 0;
  #frameStream: StreamNumber | undefined;
  #frameLength = 0;
  #frameTicks = 0;
  /** Of the last good write: where its newest frame (or the block) begins, that frame's mark, where it ends. */
  #savedFrom = 0;
  #savedMark: number | undefined;
  #savedTo = BLOCK_HEADER;

  constructor(bytes: Buffer, header: BlockHeader) {
    this.bytes = bytes;
    this.header = header;
    writeBlockHeader(bytes, header);
  }

  /**
   * Takes what fits of `data` from `from` on, which came at `time`, and says how many bytes that were; 0: the block
   * is full. A clock that was set back gives nothing before the frame that is there.
   */
  add(stream: StreamNumber, data: Buffer, from: number, time: number): number {
    const ticks = Math.max(
      this.#frameTicks,
      Math.min(MOST_TICKS, Math.floor((time - this.header.time) / TICK)),
    );
    const joins =
      this.#frameStream === stream && this.#frameTicks === ticks && this.#frameLength < JOIN_BELOW;
    const at = joins ? this.#used : this.#used + FRAME_HEADER;
    const length = Math.min(this.bytes.length - at, data.length - from);
    if (length <= 0) return 0;
    if (!joins) {
      this.#frameAt = this.#used;
      this.#frameStream = stream;
      this.#frameLength = 0;
      this.#frameTicks = ticks;
      this.bytes.writeUInt32LE(ticks, this.#frameAt + 4);
    }
    data.copy(this.bytes, at, from, from + length);
    this.#frameLength += length;
    this.bytes.writeUInt32LE(this.#frameLength * 2 + stream, this.#frameAt);
    this.#dirtyFrom = Math.min(this.#dirtyFrom, this.#frameAt);
    this.#used = at + length;
    this.payload += length;
    return length;
  }

  /** What has to be written: from the first changed byte to the end mark; undefined when all is on disk. */
  dirty(): { from: number; to: number } | undefined {
    if (this.#dirtyFrom >= this.#used) return undefined;
    const to = this.#used + END_MARK;
    if (to > this.bytes.length) return { from: this.#dirtyFrom, to: this.#used };
    this.bytes.writeUInt32LE(0, this.#used);
    return { from: this.#dirtyFrom, to };
  }

  written(): void {
    this.#dirtyFrom = this.#used;
    this.payloadOnDisk = this.payload;
    this.#savedFrom = this.#frameAt;
    this.#savedMark = this.bytes.readUInt32LE(this.#frameAt);
    this.#savedTo = this.#used;
  }

  /** What the last good write left at its end, to be put back after one that failed half-way; a copy. */
  saved(): { from: number; bytes: Buffer } {
    const from = this.#savedFrom;
    const end = Math.min(this.#savedTo + END_MARK, this.bytes.length);
    const bytes = Buffer.alloc(end - from);
    this.bytes.copy(bytes, 0, from, this.#savedTo);
    if (this.#savedMark !== undefined) bytes.writeUInt32LE(this.#savedMark, 0);
    return { from, bytes };
  }
}
