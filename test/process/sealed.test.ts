/** What the user types opens for the question that it answers, and for nothing else. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { seal, SealedAnswer } from "../../src/process/input/sealed.js";

const LINE = "correct horse · battery";

void describe("a sealed answer", () => {
  void it("opens for its question, and does not show what is in it", () => {
    const question = new SealedAnswer();
    const sealed = seal(LINE, question.publicKey, "proc_1");
    assert.equal(question.open(sealed, "proc_1"), LINE);
    assert.doesNotMatch(Buffer.from(sealed, "base64url").toString("latin1"), /horse/u);
    // A word of the event that carries it.
    assert.match(sealed, /^[\w.-]+$/u);
    assert.notEqual(seal(LINE, question.publicKey, "proc_1"), sealed);
    assert.equal(question.open(seal("", question.publicKey, "proc_1"), "proc_1"), "");
  });

  void it("opens for no other process, no other question, and not when it was changed", () => {
    const question = new SealedAnswer();
    const sealed = seal(LINE, question.publicKey, "proc_1");
    const [sender, box = ""] = sealed.split(".");
    const bytes = Buffer.from(box, "base64url");
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
    assert.throws(() => question.open(sealed, "proc_2"));
    assert.throws(() => new SealedAnswer().open(sealed, "proc_1"));
    assert.throws(() => question.open(`${sender}.${bytes.toString("base64url")}`, "proc_1"));
    for (const wrong of ["", ".", "x", `${sender}.`, `${sender}`]) {
      assert.throws(() => question.open(wrong, "proc_1"), wrong);
    }
  });

  void it("is one line of what a terminal takes", () => {
    const { publicKey } = new SealedAnswer();
    for (const [line, problem] of [
      ["yes\nrm -rf x", /expected one line/u],
      ["x".repeat(4_096), /at most 4095 bytes/u],
    ] as const) {
      assert.throws(() => seal(line, publicKey, "proc_1"), { name: "UserError", message: problem });
    }
  });
});
