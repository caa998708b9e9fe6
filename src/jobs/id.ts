/** Ids of jobs: a prefix that names the kind and 10 random characters of Crockford's base 32 (50 bits). */
import { randomBytes } from "node:crypto";

const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";
const LENGTH = 10;

export type IdPrefix = "bg" | "proc";

export function newJobId(prefix: IdPrefix): string {
  let id = `${prefix}_`;
  for (const byte of randomBytes(LENGTH)) id += ALPHABET.charAt(byte & 31);
  return id;
}

const FORM = new RegExp(`^(?:bg|proc)_[${ALPHABET}]{${LENGTH}}$`);

export function isJobId(text: string): boolean {
  return FORM.test(text);
}
