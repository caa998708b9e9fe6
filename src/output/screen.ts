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

/**
 * What a terminal shows after all the output that was kept. Answers that the program asked its terminal for are not
 * given. Rejects when the library cannot be loaded.
 */
export async function renderScreen(
  reader: Pick<OutputReader, "end" | "pieces"> | undefined,
  columns: number,
  rows: number,
): Promise<ScreenText> {
  // CommonJS: Node gives it as the default export only, others by its names, too.
  const library: Partial<Library> & { default: Library } = await import("@xterm/headless");
  const { Terminal = library.default.Terminal } = library;
  const terminal = new Terminal({
    cols: columns,
    rows,
    // Nothing above the screen is ever shown.
    scrollback: 0,
    allowProposedApi: true,
    logLevel: "off",
  });
  let title = "";
  terminal.onTitleChange((now) => {
    title = now;
  });
  try {
    for (const { frame } of reader?.pieces(Math.max(0, reader.end() - SCREEN_REPLAY_BYTES)) ?? []) {
      if (frame) await new Promise<void>((resolve) => terminal.write(frame.data, resolve));
    }
    return { ...textOf(terminal), title };
  } finally {
    terminal.dispose();
  }
}

function textOf({ buffer: { active }, rows }: Terminal): Omit<ScreenText, "title"> {
  const lines: string[] = [];
  for (let row = 0; row < rows; row += 1) {
    const line = active.getLine(active.viewportY + row)?.translateToString(true);
    lines.push(line?.trimEnd() ?? "");
  }
  while (lines.at(-1) === "") lines.pop();
  return {
    lines,
    cursor: { row: active.cursorY, column: active.cursorX },
    isAlternate: active.type === "alternate",
  };
}
