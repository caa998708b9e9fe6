// Owns: an output that is written and read as a process's is. Promises: no answer is larger than was asked for,
// or holds what a terminal obeys.
import assert from "node:assert/strict";
import { join } from "node:path";
import { after } from "node:test";
import { STDERR, STDOUT } from "../../src/output/format.js";
import { systemClock } from "../../src/ports.js";
import { OutputLog } from "../../src/output/log.js";
import { openOutput } from "../../src/output/reader.js";
import { PatternGuard } from "../../src/output/pattern.js";
import { readOutput } from "../../src/output/read.js";
import type { ReadRequest, ReadResult } from "../../src/output/types.js";
import { useFolders } from "../fakes/folders.js";

export const guard = new PatternGuard(systemClock);
const folder = useFolders();

after(() => guard.close());

export class Output {
  readonly log: OutputLog;

  constructor(limit = 512 * 1024) {
    this.log = new OutputLog(join(folder(), "proc_1.log"), limit, systemClock);
  }

  out(data: string | Buffer): this {
    this.log.append(STDOUT, Buffer.from(data));
    return this;
  }

  err(data: string | Buffer): this {
    this.log.append(STDERR, Buffer.from(data));
    return this;
  }

  async read(request: ReadRequest = {}): Promise<ReadResult> {
    const reader = openOutput(this.log.file);
    const { bytes, dropped } = this.log;
    const result = await readOutput(reader, request, { bytes, dropped }, guard);
    reader?.close();
    const most = request.maxBytes ?? 16_000;
    const size = Buffer.byteLength(result.text);
    assert.ok(size <= most, `an answer of ${size} bytes`);
    assert.ok(!result.text.includes("\u001b"));
    return result;
  }

  async lines(request: ReadRequest = {}): Promise<string[]> {
    return (await this.read(request)).lines.map(({ text }) => text);
  }
}

export function numbered(from: number, to: number): string {
  let text = "";
  for (let i = from; i < to; i++) text += `line ${i}\n`;
  return text;
}
