/** One row of a log as the host's text: its colours from the theme or the program, what a search found marked in it. */
import { RGBA, StyledText, TextAttributes, type TextChunk } from "@opentui/core";
import { colour, type ViewContext } from "../context.js";
import type { Paint } from "./colours.js";
import { hitsIn, type Row } from "./log-rows.js";

type Context = Pick<ViewContext, "api">;

export function paintRow(context: Context, row: Row, query: string): StyledText {
  const { label, text, start, line } = row;
  const chunks: TextChunk[] = [];
  if (label !== "") {
    chunks.push({ __isChunk: true, text: label, fg: colour(context, "muted") });
  }
  const hits = hitsIn(line.text, query);
  const painted = line.painted ?? [];
  const end = start + text.length;
  const edges = [...hits, ...painted].flatMap(({ from, to }) => [from, to]);
  const inside = edges.filter((edge) => edge > start && edge < end);
  const places = [...new Set([start, ...inside, end])].sort((a, b) => a - b);
  for (const [index, from] of places.slice(0, -1).entries()) {
    const to = places[index + 1] ?? end;
    const isHit = hits.some((hit) => hit.from <= from && to <= hit.to);
    const paint = painted.find((each) => each.from <= from && to <= each.to) ?? {};
    const piece = text.slice(from - start, to - start);
    chunks.push(chunkOf(context, piece, { text: line.tone, ...paint }, isHit));
  }
  return new StyledText(chunks);
}

function chunkOf(context: Context, text: string, paint: Paint, isHit: boolean): TextChunk {
  const theme = context.api.theme.current;
  const { text: named = "text", background, bold, underline } = paint;
  const attributes =
    (bold === true ? TextAttributes.BOLD : 0) | (underline === true ? TextAttributes.UNDERLINE : 0);
  const shared = { __isChunk: true, text, attributes } as const;
  if (isHit) return { ...shared, fg: theme.background, bg: theme.warning };
  const fg = typeof named === "string" ? colour(context, named) : RGBA.fromInts(...named, 255);
  return background ? { ...shared, fg, bg: RGBA.fromInts(...background, 255) } : { ...shared, fg };
}
