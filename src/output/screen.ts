/**
 * What a person would see of a program in a terminal: the output played into a headless terminal
 * (`@xterm/headless`, loaded when the first screen is asked for). Text only; colours are not kept.
 */
import type { Terminal } from "@xterm/headless";
import type { OutputReader } from "./reader.js";

type Library = Pick<typeof import("@xterm/headless"), "Terminal">;

/** So much of the newest output is played when a screen is opened; a full-screen program redraws within it. */
const SCREEN_REPLAY_BYTES = 512 * 1_024;

export interface ScreenText {
  /** As many as the terminal has rows, without trailing spaces; empty ones at the end are left out. */
  lines: readonly string[];
  /** From 0; the row may be beyond the last line. */
  cursor: { row: number; column: number };
  /** A full-screen program is shown (vim, less, top). */
  isAlternate: boolean;
  title: string;
}

export class Screen {
  readonly #terminal: Terminal;
  #title = "";

  /** Rejects when the library cannot be loaded. */
  static async open(columns: number, rows: number): Promise<Screen> {
    // CommonJS: Node gives it as the default export only, others by its names, too.
    const library: Partial<Library> & { default: Library } = await import("@xterm/headless");
    const { Terminal = library.default.Terminal } = library;
    // Nothing above the screen is ever shown.
    const settings = {
      cols: columns,
      rows,
      scrollback: 0,
      allowProposedApi: true,
      logLevel: "off",
    } as const;
    return new Screen(new Terminal(settings));
  }

  private constructor(terminal: Terminal) {
    this.#terminal = terminal;
    terminal.onTitleChange((title) => {
      this.#title = title;
    });
  }

  /** Resolves when the bytes have been played. Answers that the program asked its terminal for are not given. */
  write(data: Uint8Array): Promise<void> {
    return new Promise((resolve) => this.#terminal.write(data, resolve));
  }

  /** As it stands after everything that was written. */
  text(): ScreenText {
    const { active } = this.#terminal.buffer;
    const lines: string[] = [];
    for (let row = 0; row < this.#terminal.rows; row += 1) {
      lines.push(
        active
          .getLine(active.viewportY + row)
          ?.translateToString(true)
          .trimEnd() ?? "",
      );
    }
    while (lines.at(-1) === "") lines.pop();
    return {
      lines,
      cursor: { row: active.cursorY, column: active.cursorX },
      isAlternate: active.type === "alternate",
      title: this.#title,
    };
  }

  dispose(): void {
    this.#terminal.dispose();
  }
}

/** What a terminal shows after all the output that was kept. */
export async function renderScreen(
  reader: OutputReader | undefined,
  columns: number,
  rows: number,
): Promise<ScreenText> {
  const screen = await Screen.open(columns, rows);
  try {
    if (reader) {
      for (const { frame } of reader.pieces(Math.max(0, reader.end() - SCREEN_REPLAY_BYTES))) {
        if (frame) await screen.write(frame.data);
      }
    }
    return screen.text();
  } finally {
    screen.dispose();
  }
}
