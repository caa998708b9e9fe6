/**
 * The block of an output file that is being filled, in memory: takes pieces as frames (see output-format.ts) and
 * knows which of its bytes are not on disk yet.
 */
import {
  BLOCK_HEADER,
  END_MARK,
  FRAME_HEADER,
  TICK,
  writeBlockHeader,
  type BlockHeader,
  type StreamNumber,
} from "./format.js";

/** A piece joins the frame before it, of the same moment, while that is shorter: single characters cost no frame each. */
const JOIN_BELOW = 2048;

/** More than a year. */
const MOST_TICKS = 2 ** 32 - 1;

export class OutputBlock {
  readonly bytes: Buffer;
  #header: BlockHeader = { number: 0, start: 0, time: 0 };
  #used = BLOCK_HEADER;
  #dirtyFrom = 0;
  #frameAt = 0;
  #frameStream: StreamNumber | undefined;
  #frameLength = 0;
  #frameTicks = 0;
  #payload = 0;
  #payloadOnDisk = 0;
  /** Of the last good write: where its newest frame (or the block) begins, that frame's mark, where it ends. */
  #savedFrom = 0;
  #savedMark: number | undefined;
  #savedTo = BLOCK_HEADER;

  constructor(size: number) {
    this.bytes = Buffer.allocUnsafeSlow(size);
  }

  get number(): number {
    return this.#header.number;
  }

  /** Bytes of output in it. */
  get payload(): number {
    return this.#payload;
  }

  get payloadOnDisk(): number {
    return this.#payloadOnDisk;
  }

  begin(header: BlockHeader): void {
    this.#header = header;
    writeBlockHeader(this.bytes, header);
    this.#used = BLOCK_HEADER;
    this.#dirtyFrom = 0;
    this.#frameStream = undefined;
    this.#payload = 0;
    this.#payloadOnDisk = 0;
    this.#savedFrom = 0;
    this.#savedMark = undefined;
    this.#savedTo = BLOCK_HEADER;
  }

  /**
   * Takes what fits of `data` from `from` on, which came at `time`, and says how many bytes that were; 0: the block
   * is full. A clock that was set back gives nothing before the frame that is there.
   */
  add(stream: StreamNumber, data: Buffer, from: number, time: number): number {
    const isFirst = this.#frameStream === undefined;
    const ticks = Math.max(
      isFirst ? 0 : this.#frameTicks,
      Math.min(MOST_TICKS, Math.floor((time - this.#header.time) / TICK)),
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
    this.#payload += length;
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
    this.#payloadOnDisk = this.#payload;
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
