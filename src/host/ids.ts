/**
 * Ids of messages, parts and files of output in the host's form. The host lists messages by the time at which it took
 * them, those of one millisecond and the parts of a message by their ids as text. So ours carry the time as its own do:
 * 48 bits of (milliseconds × 4096 + counter) in hex, then 14 random letters and digits.
 */
import { randomInt } from "node:crypto";

const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/** Above every count that the host itself reaches within one millisecond, so that ours sorts after its own. */
const FIRST_COUNT = 0x800;

export class IdSource {
  #last = 0;
  #count = FIRST_COUNT;
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Greater than every id this source gave before, even if the clock went back. */
  next(prefix: "msg" | "prt" | "tool"): string {
    const now = Math.max(this.#now(), this.#last);
    if (now > this.#last || this.#count >= 0xfff) {
      this.#last = now > this.#last ? now : now + 1;
      this.#count = FIRST_COUNT;
    } else this.#count += 1;
    const stamp = BigInt.asUintN(48, BigInt(this.#last) * 4096n + BigInt(this.#count));
    let random = "";
    for (let length = 0; length < 14; length++) random += ALPHABET.charAt(randomInt(62));
    return `${prefix}_${stamp.toString(16).padStart(12, "0")}${random}`;
  }
}
