/**
 * The input of one running process that is held open: a pipe or a terminal. One write at a time, from the question
 * whether it may be typed to its last byte: two that are asked at once could make a line that neither was.
 */
import { UserError } from "../../ports.js";
import { OpenLine, piecesOf, type TypedLine, type Typing } from "./typed.js";

export interface WriteInput extends Typing {
  /** Closes the input; of a terminal it is C-d. */
  end?: boolean;
}

export interface TypedInput {
  /** What the last call of `Allow` has returned; empty at first. */
  context: string;
  /** Empty when nothing is typed that could be run. */
  lines: readonly TypedLine[];
}

/**
 * Called before a byte is sent; what it throws keeps all of it from being sent. What it returns is given to the next
 * call, with what is typed then.
 */
export type Allow = (typed: TypedInput) => Promise<string>;

export interface InputTarget {
  /** False when it is closed. */
  write(text: string): boolean;
  endInput(): void;
}

const END_OF_INPUT = "\u0004";

export class ProcessInput {
  readonly #target: InputTarget;
  readonly isTerminal: boolean;
  readonly #open: OpenLine;
  #context = "";
  #last: Promise<unknown> = Promise.resolve();

  constructor(target: InputTarget, isTerminal: boolean) {
    this.#target = target;
    this.isTerminal = isTerminal;
    this.#open = new OpenLine(isTerminal);
  }

  /** Throws a `UserError` when there is nothing to write, a key is unknown, or the input is closed. */
  write(input: WriteInput, allow: Allow, before: () => void): Promise<void> {
    const { end = false } = input;
    const pieces = piecesOf(input, this.isTerminal);
    if (pieces.length === 0 && !end) {
      throw new UserError(
        "expected at least one of text, keys, end, got none; nothing was written",
      );
    }
    const turn = this.#last.then(async () => {
      const lines = this.#open.lines(pieces);
      const context = await allow({ context: this.#context, lines });
      before();
      const closes = end || (!this.isTerminal && pieces.some(({ key }) => key === "C-d"));
      const bytes = pieces.map((piece) => piece.bytes).join("");
      const all = this.isTerminal && end ? bytes + END_OF_INPUT : bytes;
      if (!this.#target.write(all)) throw new UserError("its input is closed; nothing was written");
      this.#open.take(pieces);
      this.#context = context;
      if (closes && !this.isTerminal) this.#target.endInput();
    });
    this.#last = turn.catch(() => undefined);
    return turn;
  }

  /** A line of the user's own: no rule is asked, and nothing of it is kept. */
  typedByUser(line: string): void {
    const enter = piecesOf({ keys: ["Enter"] }, this.isTerminal);
    const bytes = [line, ...enter.map((piece) => piece.bytes)].join("");
    if (!this.#target.write(bytes)) throw new UserError("its input is closed; nothing was written");
    this.#open.take(enter);
  }
}
