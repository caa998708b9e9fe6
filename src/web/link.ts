/**
 * What an OpenCode and the page's server that it has started say to each other: a line of JSON each, over the server's
 * stdin and stdout, which no other process can open (both runtimes make them pairs of sockets). The secret goes over
 * stdin, in the first line, and is nowhere else; every act of the user that the server passes on is signed with it.
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import type { Readable } from "node:stream";
import { z } from "zod";
import { parsedJson } from "../text.js";

/** To the server. The first line is `start`. */
export const toServer = z.discriminatedUnion("type", [
  z.strictObject({
    type: z.literal("start"),
    secret: z.string().min(32),
    /** The state folder. */
    root: z.string(),
    port: z.number().int(),
    /** Where the built page is. */
    pageFolder: z.string(),
    /** Of the OpenCode: whose jobs take more than stop and cancel. */
    pid: z.number().int(),
    /** Open the page in the user's browser once it is served. */
    open: z.boolean(),
  }),
  z.strictObject({ type: z.literal("open") }),
  z.strictObject({ type: z.literal("done"), id: z.number().int(), result: z.unknown() }),
  z.strictObject({ type: z.literal("refused"), id: z.number().int(), error: z.string() }),
]);
export type ToServer = z.infer<typeof toServer>;

/** From the server. */
export const fromServer = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("serving"), port: z.number().int(), link: z.string() }),
  /** It ends with this. `taken`: another program has the port, perhaps the page of another OpenCode. */
  z.strictObject({ type: z.literal("failed"), taken: z.boolean(), error: z.string() }),
  /** The browser was called, and its page needs the code; `error` says why it could not be. */
  z.strictObject({
    type: z.literal("opened"),
    code: z.string(),
    error: z.string().optional(),
  }),
  /** Another OpenCode of this user serves the page from here on. */
  z.strictObject({ type: z.literal("left") }),
  /** `act`: a `userAct` as JSON. */
  z.strictObject({
    type: z.literal("act"),
    id: z.number().int(),
    act: z.string(),
    proof: z.string(),
  }),
]);
export type FromServer = z.infer<typeof fromServer>;

/** What a server says first to each process that connects to its socket: other OpenCodes that share the page. */
export const greeting = z.object({
  page: z.literal("opencode-background-manager"),
  port: z.number().int(),
  pid: z.number().int(),
});

/** What one of them may ask: that it serves the page no longer. */
export const wish = z.literal("leave");

export function sign(secret: string, id: number, act: string): string {
  return createHmac("sha256", secret).update(`${id}\n${act}`).digest("base64url");
}

export function isSigned(secret: string, id: number, act: string, proof: string): boolean {
  const [given, right] = [Buffer.from(proof), Buffer.from(sign(secret, id, act))];
  return given.length === right.length && timingSafeEqual(given, right);
}

export interface LineReading<T> {
  schema: z.ZodType<T>;
  /** In characters. */
  longest: number;
  onLine: (said: T) => void;
  /** A line was too long or of another form: nothing is read any more. */
  onWrong: () => void;
}

/** Reads lines of JSON from what another process writes. */
export function readLines<T>(
  stream: Readable,
  { schema, longest, onLine, onWrong }: LineReading<T>,
): void {
  let rest = "";
  const take = (piece: string): void => {
    const lines = (rest + piece).split("\n");
    rest = lines.pop() ?? "";
    const said = lines.map((line) =>
      line.length > longest ? undefined : schema.safeParse(parsedJson(line)).data,
    );
    for (const each of said) {
      if (each === undefined) return stop();
      onLine(each);
    }
    if (rest.length > longest) stop();
    return undefined;
  };
  const stop = (): void => {
    stream.off("data", take);
    onWrong();
  };
  stream.setEncoding("utf8");
  stream.on("data", take);
}

export const LONGEST_LINK_LINE = 1_024 * 1_024;
