/**
 * The writer of one process's output: a file that never grows beyond its limit (see output-format.ts), written
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
import { blockPosition, fileHeader, layoutFor } from "./format.js";
import type { Layout, StreamNumber } from "./format.js";
import { OutputBlock } from "./block.js";

/** What the writer asks of the system; tests pass one that fails. */
export interface OutputFs {
  mkdir(folder: string): void;
  open(file: string, flags: string, mode: number): number;
  /** Returns the bytes written, possibly fewer than `length`. */
  write(fd: number, data: Buffer, from: number, length: number, position: number): number;
  close(fd: number): void;
}

export const systemOutputFs: OutputFs = {
  mkdir: (folder) => void mkdirSync(folder, { recursive: true, mode: 0o700 }),
  open: (file, flags, mode) => openSync(file, flags, mode),
  write: (fd, data, from, length, position) => writeSync(fd, data, from, length, position),
  close: (fd) => closeSync(fd),
};

export interface MissingOutput {
  since: Date;
  error: string;
}

/** While the disk refuses, it is asked again at most this often. */
const RETRY_MILLISECONDS = 500;

export class OutputLog {
  readonly file: string;
  readonly #fs: OutputFs;
  readonly #clock: Pick<Clock, "now" | "monotonic">;
  readonly #layout: Layout;
  /** Bytes of output in each place of the ring: what is lost when it is overwritten. */
  readonly #inRing: Uint32Array;
  #block: OutputBlock | undefined;
  #fd: number | undefined;
  #created = false;
  #hasHeader = false;
  #bytes = 0;
  #held = 0;
  #lostToDisk = 0;
  /** What has to be put back before anything else is written. */
  #torn: { bytes: Buffer; position: number } | undefined;
  #missing: MissingOutput | undefined;
  #failing = false;
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
    this.#inRing = new Uint32Array(this.#layout.ringBlocks);
  }

  /** Bytes appended in all. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Bytes of these that the file does not hold any more, or never did. */
  get dropped(): number {
    return this.#bytes - this.#held;
  }

  /** Since when output could not be written, and why; undefined when nothing is missing. */
  get missing(): MissingOutput | undefined {
    return this.#missing;
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
        this.#block ?? this.#beginBlock(new OutputBlock(this.#layout.blockSize), 0, time);
      const taken = block.add(stream, data, from, time);
      this.#count(block.number, taken);
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

  #beginBlock(block: OutputBlock, number: number, time: number): OutputBlock {
    const { headBlocks, ringBlocks } = this.#layout;
    if (number >= headBlocks) {
      const place = (number - headBlocks) % ringBlocks;
      this.#held -= this.#inRing[place] ?? 0;
      this.#inRing[place] = 0;
    }
    block.begin({ number, start: this.#bytes, time });
    this.#block = block;
    return block;
  }

  #count(number: number, bytes: number): void {
    this.#bytes += bytes;
    this.#held += bytes;
    const { headBlocks, ringBlocks } = this.#layout;
    if (number < headBlocks) return;
    const place = (number - headBlocks) % ringBlocks;
    this.#inRing[place] = (this.#inRing[place] ?? 0) + bytes;
  }

  #nextBlock(block: OutputBlock, time: number): void {
    if (!this.#write(block)) this.#giveUp(block);
    // A block of which nothing reached the disk leaves its number to the next: numbers have no holes.
    this.#beginBlock(block, block.payloadOnDisk > 0 ? block.number + 1 : block.number, time);
  }

  /** The part of the block that never reached the disk is lost. */
  #giveUp(block: OutputBlock): void {
    const lost = block.payload - block.payloadOnDisk;
    this.#lostToDisk += lost;
    this.#count(block.number, -lost);
    this.#bytes += lost;
  }

  #write(block: OutputBlock): boolean {
    const dirty = block.dirty();
    if (!dirty) return true;
    if (this.#failing && this.#clock.monotonic() < this.#retryAt) return false;
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
    this.#failing = false;
    if (this.#lostToDisk === 0) this.#missing = undefined;
    return true;
  }

  /** A frame's length is on disk before its bytes: what a failed write has begun is undone. */
  #writeBlock(fd: number, block: OutputBlock, dirty: { from: number; to: number }): void {
    const position = blockPosition(this.#layout, block.number);
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
    const fd = this.#fs.open(this.file, this.#created ? "r+" : "w", 0o600);
    this.#created = true;
    this.#fd = fd;
    return fd;
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
    this.#failing = true;
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
