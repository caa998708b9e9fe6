/**
 * The layout of an output file, for its writer and its readers. All numbers are little-endian.
 *
 *     file    = header (64 bytes), then blocks of `blockSize` bytes
 *     header  = "OBMOUT2\n", u32 blockSize, u32 headBlocks, u32 ringBlocks, zeros
 *     block   = u32 number + 1, u32 check, f64 start, f64 time, then frames, then a u32 0 if there is room
 *     frame   = u32 (length * 2 + stream), u32 hundredths of a second since the block's time, `length` bytes;
 *               stream 0 is stdout, 1 is stderr
 *
 * A file that begins with "OBMOUT1\n" has neither times in its blocks nor in its frames, and is read all the same.
 *
 * Blocks are numbered in the order of writing. The first `headBlocks` stay for ever, the later ones share
 * `ringBlocks` places in turn, so block n overwrites block n - ringBlocks. `start` is the place of the block's
 * first byte in the whole output: a start beyond the end of the block before it says how much is missing.
 *
 * Why blocks rather than one ring of bytes with a pointer in the header: nothing has to be kept or updated
 * besides the data itself. A frame and its end mark are one contiguous write, so whatever instant a reader (or a
 * crash) picks, the file is whole; the newest block is found by a binary search over the numbers; and no
 * index grows with the output, neither in memory nor on disk.
 */
import { join } from "node:path";

export const FILE_HEADER = 64;
export const BLOCK_HEADER = 24;
export const FRAME_HEADER = 8;
/** Of what ends the frames of a block. */
export const END_MARK = 4;
/** Of frames' times, in milliseconds: a frame's bytes came within one of these. */
export const TICK = 10;

const UNTIMED_BLOCK_HEADER = 16;
const UNTIMED_FRAME_HEADER = 4;

const MAGIC = Buffer.from("OBMOUT2\n", "latin1");
const UNTIMED_MAGIC = Buffer.from("OBMOUT1\n", "latin1");
const CHECK = 0x6f62_6d31;

/** 64 KiB: one chunk as pipes deliver them; it is also what each live process holds in memory. */
export const BLOCK_SIZE = 64 * 1024;

/** Five blocks: the first 256 KiB of output fit with all headers and frames, unless it comes in single words. */
const HEAD_BLOCKS = 5;

/** Where the output of a process is, in the folder of all outputs. */
export function outputFile(folder: string, id: string): string {
  return join(folder, `${id}.log`);
}

export interface Layout {
  blockSize: number;
  headBlocks: number;
  ringBlocks: number;
  /** Says when its output came; only files of earlier versions do not. */
  isTimed: boolean;
}

/** So many blocks a file has at least. */
const FEWEST_BLOCKS = HEAD_BLOCKS + 2;

/** The layout of a file that never grows beyond `limit` bytes (at least 32 KiB); a small one has smaller blocks. */
export function layoutFor(limit: number): Layout {
  const room = limit - FILE_HEADER;
  const blockSize = Math.min(BLOCK_SIZE, Math.floor(room / FEWEST_BLOCKS / 16) * 16);
  const blocks = Math.floor(room / blockSize);
  return {
    blockSize,
    headBlocks: HEAD_BLOCKS,
    ringBlocks: Math.max(2, blocks - HEAD_BLOCKS),
    isTimed: true,
  };
}

export function fileHeader(layout: Layout): Buffer {
  const header = Buffer.alloc(FILE_HEADER);
  MAGIC.copy(header);
  header.writeUInt32LE(layout.blockSize, 8);
  header.writeUInt32LE(layout.headBlocks, 12);
  header.writeUInt32LE(layout.ringBlocks, 16);
  return header;
}

/** Undefined when these bytes do not begin an output file. */
export function parseFileHeader(header: Buffer): Layout | undefined {
  const magic = header.subarray(0, MAGIC.length);
  const isTimed = magic.equals(MAGIC);
  if (header.length < FILE_HEADER || !(isTimed || magic.equals(UNTIMED_MAGIC))) return undefined;
  const blockSize = header.readUInt32LE(8);
  const headBlocks = header.readUInt32LE(12);
  const ringBlocks = header.readUInt32LE(16);
  const sane = blockSize > BLOCK_HEADER + FRAME_HEADER && blockSize <= 2 ** 24 && ringBlocks > 0;
  return sane ? { blockSize, headBlocks, ringBlocks, isTimed } : undefined;
}

/** Where in the file a block lies. */
export function blockPosition(layout: Layout, number: number): number {
  const { headBlocks, ringBlocks, blockSize } = layout;
  const place = number < headBlocks ? number : headBlocks + ((number - headBlocks) % ringBlocks);
  return FILE_HEADER + place * blockSize;
}

/** The oldest block of the ring when `newest` is the newest of all. */
export function oldestInRing(layout: Layout, newest: number): number {
  return Math.max(layout.headBlocks, newest - layout.ringBlocks + 1);
}

export interface BlockHeader {
  number: number;
  start: number;
  /** When it was begun. */
  time: number;
}

export function writeBlockHeader(block: Buffer, header: BlockHeader): void {
  block.writeUInt32LE(header.number + 1, 0);
  block.writeUInt32LE((header.number ^ CHECK) >>> 0, 4);
  block.writeDoubleLE(header.start, 8);
  block.writeDoubleLE(header.time, 16);
}

/** The header of an untimed file is the same without its end. */
export function parseBlockHeader(block: Buffer): BlockHeader | undefined {
  if (block.length < BLOCK_HEADER) return undefined;
  const number = block.readUInt32LE(0) - 1;
  if (number < 0 || block.readUInt32LE(4) !== (number ^ CHECK) >>> 0) return undefined;
  return { number, start: block.readDoubleLE(8), time: block.readDoubleLE(16) };
}

export type StreamNumber = 0 | 1;
export const STDOUT: StreamNumber = 0;
export const STDERR: StreamNumber = 1;
export const STREAMS: readonly StreamNumber[] = [STDOUT, STDERR];

/** A piece of one stream at its place in the whole output. */
export interface Frame {
  stream: StreamNumber;
  offset: number;
  data: Buffer;
  /** When it came, to `TICK`; undefined in a file of an earlier version. */
  at: number | undefined;
}

/** What of a frame lies in a stretch of the output; undefined when nothing does. */
export function partOf(frame: Frame, from: number, end = Infinity): Frame | undefined {
  const skip = Math.max(0, from - frame.offset);
  const data = frame.data.subarray(skip, Math.max(0, end - frame.offset));
  return data.length === 0 ? undefined : { ...frame, offset: frame.offset + skip, data };
}

/** The frames of a block; stops at the end mark, and at anything that cannot be a frame. */
export function parseFrames(
  block: Buffer,
  { start, time }: BlockHeader,
  { isTimed }: Pick<Layout, "isTimed">,
): Frame[] {
  const header = isTimed ? FRAME_HEADER : UNTIMED_FRAME_HEADER;
  const frames: Frame[] = [];
  let offset = start;
  let at = isTimed ? BLOCK_HEADER : UNTIMED_BLOCK_HEADER;
  while (at + header < block.length) {
    const mark = block.readUInt32LE(at);
    const length = mark >>> 1;
    const came = isTimed ? time + block.readUInt32LE(at + 4) * TICK : undefined;
    at += header;
    if (length === 0 || at + length > block.length) break;
    const stream = mark & 1 ? STDERR : STDOUT;
    frames.push({ stream, offset, data: block.subarray(at, at + length), at: came });
    at += length;
    offset += length;
  }
  return frames;
}
