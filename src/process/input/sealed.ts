/**
 * What the user types for a process that waits for input, on its way from the terminal: it comes as an event of the
 * host, which others may read and log. So it is sealed for the one question that it answers, with keys of one use
 * (X25519, AES-256-GCM); the process's id is part of the seal. Nothing here keeps a text.
 */
import {
  createCipheriv,
  createDecipheriv,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  hkdfSync,
  type KeyObject,
} from "node:crypto";
import { UserError } from "../../ports.js";

const CIPHER = "aes-256-gcm";
const TAG_BYTES = 16;
/** A key seals one text, so its nonce need not differ. */
const NONCE = Buffer.alloc(12);

/** What a terminal takes as one line. */
const LONGEST_ANSWER = 4_095;

/** One question's key: what is sealed for `publicKey` opens here alone. */
export class SealedAnswer {
  readonly publicKey: string;
  readonly #privateKey: KeyObject;

  constructor() {
    const { publicKey, privateKey } = generateKeyPairSync("x25519");
    this.publicKey = written(publicKey);
    this.#privateKey = privateKey;
  }

  /** Throws when it was not sealed for this question of this process. */
  open(sealed: string, jobID: string): string {
    const [sender = "", box = ""] = sealed.split(".");
    const bytes = Buffer.from(box, "base64url");
    const key = sharedKey(this.#privateKey, read(sender), jobID);
    const decipher = createDecipheriv(CIPHER, key, NONCE);
    decipher.setAuthTag(bytes.subarray(0, TAG_BYTES));
    return Buffer.concat([decipher.update(bytes.subarray(TAG_BYTES)), decipher.final()]).toString();
  }
}

/** Throws a `UserError` when the text is no line. */
export function seal(text: string, publicKey: string, jobID: string): string {
  if (/[\r\n]/u.test(text)) throw new UserError("expected one line, got more; nothing was typed");
  if (Buffer.byteLength(text) > LONGEST_ANSWER) {
    throw new UserError(`a line has at most ${LONGEST_ANSWER} bytes; nothing was typed`);
  }
  const own = generateKeyPairSync("x25519");
  const key = sharedKey(own.privateKey, read(publicKey), jobID);
  const cipher = createCipheriv(CIPHER, key, NONCE);
  const box = Buffer.concat([cipher.update(text, "utf8"), cipher.final()]);
  return `${written(own.publicKey)}.${Buffer.concat([cipher.getAuthTag(), box]).toString("base64url")}`;
}

function sharedKey(privateKey: KeyObject, publicKey: KeyObject, jobID: string): Buffer {
  const secret = diffieHellman({ privateKey, publicKey });
  return Buffer.from(hkdfSync("sha256", secret, "", jobID, 32));
}

function written(key: KeyObject): string {
  return key.export({ type: "spki", format: "der" }).toString("base64url");
}

function read(key: string): KeyObject {
  return createPublicKey({ key: Buffer.from(key, "base64url"), type: "spki", format: "der" });
}
