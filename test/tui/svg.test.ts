// A captured screen as a picture: every cell where it was, in its colours.
import assert from "node:assert/strict";
import { test } from "node:test";
import { screensToSvg, screenToSvg } from "../../fixtures/tui/svg.js";

const size = { columns: 10, rows: 2 };

test("text stands in its cells, in its colours, over its background", () => {
  const svg = screenToSvg("a\u001b[1;38;2;255;0;16m查\u001b[0m\u001b[48;5;196mx\u001b[49m\n", size);
  assert.match(svg, /viewBox="0 0 84 36"/);
  assert.match(svg, /x="8\.4" y="13\.5" textLength="16\.8" fill="#ff0010" font-weight="bold">查</);
  assert.match(svg, /<rect x="25\.2" y="0" width="8\.7" height="18" fill="#ff0000"\/>/);
  assert.match(svg, /x="25\.2"[^>]*>x</);
});

test("a style holds over the end of a line; inverse swaps; markup is text", () => {
  const svg = screenToSvg("\u001b[32;7ma&<\nb\u001b[m", size);
  assert.match(svg, /y="31\.5"[^>]*fill="#0a0a0a">b</);
  assert.match(svg, />a&amp;&lt;</);
  assert.match(svg, /<rect x="0" y="18"[^>]*fill="#0dbc79"\/>/);
});

test("screens follow each other in their times; without motion the last one stands", () => {
  const svg = screensToSvg(
    [
      { screen: "first", seconds: 1 },
      { screen: "last", seconds: 3 },
    ],
    size,
  );
  assert.match(svg, /@keyframes f0\{0%\{visibility:visible\}25%,100%\{visibility:hidden\}\}/);
  assert.match(svg, /@keyframes f1\{0%\{visibility:hidden\}25%\{visibility:visible\}\}/);
  assert.match(svg, /#f1\{animation:f1 4s step-end infinite\}/);
  assert.match(svg, /prefers-reduced-motion:reduce\)\{g\{[^}]*hidden\}#f1\{visibility:visible\}/);
  assert.match(svg, /<g id="f0">.*>first<[^]*<g id="f1">.*>last</);
});

test("what has no colour of its own has that of a light terminal in a light one", () => {
  const svg = screenToSvg("\u001b[31;41mred\u001b[39;49m plain", size, "light");
  assert.match(svg, /<rect width="100%"[^>]*fill="#ffffff"\/>/);
  assert.match(svg, /fill="#1a1a1a"> plain</);
});
