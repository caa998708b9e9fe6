/**
 * What processes have printed, read from their files: lines, a page, matches, the screen of a terminal, a stream. Of a
 * run that goes on its capture says how far the file has come; of an ended one its record does.
 */
import type { ProcessJob, ProcessRun } from "../jobs/job.js";
import { followOutput } from "../output/follow.js";
import { outputFile } from "../output/format.js";
import type { PatternGuard } from "../output/pattern.js";
import { readCursor, readOutput } from "../output/read.js";
import { openOutput } from "../output/reader.js";
import { runFile } from "../output/runs.js";
import type { ScreenText } from "../output/screen.js";
import type { ReadRequest, ReadResult, StreamOptions, StreamPiece } from "../output/types.js";
import { UserError } from "../ports.js";
import type { Capture } from "./capture.js";
import type { CreateResult } from "./types.js";

interface OutputsDeps {
  /** See `ProcessManagerDeps`. */
  outputFolder: () => string;
  guard: PatternGuard;
  /** Of a process that runs. */
  captureOf: (id: string) => Capture | undefined;
}

export class ProcessOutputs {
  readonly #deps: OutputsDeps;

  constructor(deps: OutputsDeps) {
    this.#deps = deps;
  }

  /** Absolute; of the latest run. */
  fileOf(id: string): string {
    return outputFile(this.#deps.outputFolder(), id);
  }

  /** Throws a `UserError` for a run that is not kept, a wrong pattern or cursor, or a pattern that takes too long. */
  async read(job: ProcessJob, request: ReadRequest): Promise<ReadResult> {
    const { captureOf, guard, outputFolder } = this.#deps;
    const earlier = earlierRun(job, request.run);
    const log = earlier ? undefined : captureOf(job.id)?.log;
    // What a full disk kept in memory is written now, if it can be.
    log?.retry();
    const { bytes, dropped } = log ?? (earlier ?? job).output;
    const file = earlier ? runFile(outputFolder(), job.id, earlier.number) : this.fileOf(job.id);
    const reader = openOutput(file);
    try {
      return await readOutput(reader, request, { bytes, dropped }, guard);
    } finally {
      reader?.close();
    }
  }

  /** What the answer of a start shows. */
  async lastLines(job: ProcessJob): Promise<Pick<CreateResult, "lastLines" | "cursor">> {
    const { lines, cursor } = await this.read(job, { mode: "tail", lines: 20, maxBytes: 4096 });
    return { lastLines: lines.map(({ text }) => text).join("\n"), cursor };
  }

  /** Throws a `UserError` for a process without a terminal. */
  async screen(job: ProcessJob): Promise<ScreenText> {
    const { id, stdin } = job;
    if (stdin !== "terminal") {
      throw new UserError(`mode: screen needs a process with stdin "terminal", and ${id} has none`);
    }
    this.#deps.captureOf(id)?.log.retry();
    const [{ renderScreen }, { TERMINAL_COLUMNS, TERMINAL_ROWS }] = await Promise.all([
      import("../output/screen.js"),
      import("../system/pseudo-terminal.js"),
    ]);
    const reader = openOutput(this.fileOf(id));
    try {
      return await renderScreen(reader, TERMINAL_COLUMNS, TERMINAL_ROWS);
    } finally {
      reader?.close();
    }
  }

  /** Throws a `UserError` for a wrong cursor. */
  stream(job: ProcessJob, { signal, cursor }: StreamOptions): AsyncIterable<StreamPiece> {
    const capture = this.#deps.captureOf(job.id);
    const { bytes } = capture?.log ?? job.output;
    return followOutput(
      {
        open: () => openOutput(this.fileOf(job.id)),
        hasEnded: () => capture?.isClosed ?? true,
        onChange: (listener) => capture?.onOutput(listener) ?? (() => undefined),
      },
      readCursor(cursor, bytes),
      signal,
    );
  }
}

/** Undefined for the latest one. Throws a `UserError` that names those that can be read. */
export function earlierRun(job: ProcessJob, run: number | undefined): ProcessRun | undefined {
  const { run: latest = 1, runs = [] } = job;
  if (run === undefined || run === latest) return undefined;
  const found = runs.find(({ number }) => number === run);
  if (found) return found;
  const known = [...runs.map(({ number }) => number), latest].join(", ");
  throw new UserError(`run: expected one that is kept (${known}), got ${run}`);
}
