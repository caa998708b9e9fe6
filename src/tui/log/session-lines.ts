/** A subagent's session as lines of a log: what it was told, what it said, which tools it called. Pure. */
import type { Message, Part, ToolPart } from "@opencode-ai/sdk/v2";
import { clean, cleanOutput } from "../../cells.js";
import { inputText } from "../../host/transcript.js";
import { cutText } from "../../text.js";
import type { Tone } from "../describe.js";
import type { LogLine } from "./log-rows.js";

export interface SessionMessage {
  info: Message;
  parts: readonly Part[];
}

/** Lines of one part keep their places when other parts grow. */
const LINES_PER_PART = 100_000;
const LONGEST_LINE = 4_000;

export function sessionLines(messages: readonly SessionMessage[]): LogLine[] {
  const blocks = messages.flatMap(({ info, parts }) => [
    ...parts.map((part) => timed(partLines(part, info.role), info)),
    timed(errorLines(info), info),
  ]);
  return blocks.flatMap((block, index) =>
    block.map((line, at) => ({ ...line, offset: index * LINES_PER_PART + at })),
  );
}

type Line = Pick<LogLine, "text" | "tone" | "at">;

/** Of a part's own time only some say anything: that of the message is said for all. */
function timed(lines: readonly Line[], { time }: Message): Line[] {
  return lines.map((line) => ({ ...line, at: time.created }));
}

function partLines(part: Part, role: Message["role"]): Line[] {
  if (part.type === "text") {
    if (part.text === "") return [];
    return role === "user" ? block(part.text, "muted", "> ") : block(part.text, "text", "");
  }
  if (part.type === "reasoning") return block(part.text, "muted", "~ ");
  return part.type === "tool" ? toolLines(part) : [];
}

function toolLines({ tool, state }: ToolPart): Line[] {
  const title = "title" in state && state.title ? state.title : inputText(state.input);
  const head = `${TOOL_SIGNS[state.status].sign} ${clean(tool)} ${clean(title)}`.trimEnd();
  const lines: Line[] = [
    { text: cutText(head, LONGEST_LINE), tone: TOOL_SIGNS[state.status].tone },
  ];
  if (state.status === "error") lines.push(...block(state.error, "bad", "  "));
  return lines;
}

const TOOL_SIGNS: Readonly<Record<ToolPart["state"]["status"], { sign: string; tone: Tone }>> = {
  pending: { sign: "○", tone: "muted" },
  running: { sign: "●", tone: "active" },
  completed: { sign: "✓", tone: "good" },
  error: { sign: "✗", tone: "bad" },
};

function errorLines(info: Message): Line[] {
  if (info.role !== "assistant" || !info.error) return [];
  const { name, data } = info.error;
  const message = "message" in data && typeof data.message === "string" ? data.message : "";
  return block([name, message].filter(Boolean).join(": "), "bad", "✗ ");
}

/** The lines of a text, each after the mark, and an empty one below them. */
function block(text: string, tone: Tone, mark: string): Line[] {
  const lines = text.trimEnd().split(/\r?\n/u);
  return [
    ...lines.map((line) => ({ text: cutText(mark + cleanOutput(line), LONGEST_LINE), tone })),
    EMPTY,
  ];
}

const EMPTY: Line = { text: "", tone: "muted" };
