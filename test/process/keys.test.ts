import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseKey } from "../../src/process/input/typed.js";

void describe("a key", () => {
  for (const [given, name, bytes] of [
    ["Enter", "Enter", "\r"],
    ["return", "Enter", "\r"],
    ["C-c", "C-c", "\u0003"],
    ["ctrl+C", "C-c", "\u0003"],
    ["^D", "C-d", "\u0004"],
    ["C-[", "C-[", "\u001b"],
    ["Up", "Up", "\u001b[A"],
    ["PageDown", "PageDown", "\u001b[6~"],
    ["page_up", "PageUp", "\u001b[5~"],
    ["shift+tab", "S-Tab", "\u001b[Z"],
    ["F12", "F12", "\u001b[24~"],
    ["M-x", "M-x", "\u001bx"],
    ["alt+X", "M-X", "\u001bX"],
    ["esc", "Escape", "\u001b"],
  ] as const) {
    void it(`${given} is ${name}`, () => {
      assert.deepEqual(parseKey(given), { name, bytes });
    });
  }

  for (const given of ["", "F13", "C-", "C-é", "enter now", "constructor", "__proto__", "hello"]) {
    void it(`${JSON.stringify(given)} is refused with the names there are`, () => {
      assert.throws(() => parseKey(given), {
        name: "UserError",
        message: /^keys: expected names out of Enter, .*C-a to C-z.*; got "/u,
      });
    });
  }
});
