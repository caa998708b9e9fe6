/**
 * A git worktree by the host's own endpoint. It answers before the files are there, and says only to those who listen
 * to the events of all directories when they are: so the listening begins before the request.
 */
import { z } from "zod";
import { coerceError } from "../ports.js";
import { HostError, type MadeWorktree } from "./host.js";
import type { Transport } from "./transport.js";

/** The checkout of a large repository takes some seconds. */
const READY_LIMIT_MS = 60_000;

const made = z.object({ name: z.string(), branch: z.string(), directory: z.string() });

const news = z.object({
  directory: z.string(),
  payload: z.discriminatedUnion("type", [
    z.object({ type: z.literal("worktree.ready"), properties: z.unknown() }),
    z.object({ type: z.literal("worktree.failed"), properties: z.object({ message: z.string() }) }),
  ]),
});

/** `directory` is the tree whose commit it begins at. Rejects as every request; so does `ready`. */
export async function makeWorktree(
  api: Transport,
  { name, directory }: { name: string; directory: string },
): Promise<MadeWorktree> {
  const listening = new AbortController();
  const limit = setTimeout(() => listening.abort(), READY_LIMIT_MS);
  const stop = (): void => {
    clearTimeout(limit);
    listening.abort();
  };
  try {
    const events = await api.events("/global/event", listening.signal);
    const { directory: folder, branch } = await api.send({
      what: "make a worktree",
      method: "POST",
      url: "/experimental/worktree",
      query: { directory },
      body: { name },
      answer: made,
    });
    const ready = filesIn(folder, events).finally(stop);
    // A caller that never waits for it has nothing to handle.
    ready.catch(() => undefined);
    return { folder, branch, ready };
  } catch (thrown) {
    stop();
    throw thrown;
  }
}

/** Resolves when the host says that they are there, which it may have done before the request was answered. */
async function filesIn(folder: string, events: AsyncIterable<unknown>): Promise<void> {
  try {
    for await (const event of events) {
      const { data } = news.safeParse(event);
      if (data?.directory !== folder) continue;
      if (data.payload.type === "worktree.ready") return;
      const { message } = data.payload.properties;
      throw new HostError(`the worktree's files could not be written: ${message}`);
    }
  } catch (thrown) {
    if (thrown instanceof HostError) throw thrown;
    throw new HostError(`OpenCode's events were lost: ${coerceError(thrown).message}`);
  }
  // Only the time limit or the host's end ends the listening without an error.
  const seconds = READY_LIMIT_MS / 1_000;
  throw new HostError(`the worktree's files were not there within ${seconds} s`);
}
