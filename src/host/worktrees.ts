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
    const outcomes = new Outcomes(await api.events("/global/event", listening.signal));
    const answer = await api.send({
      what: "make a worktree",
      method: "POST",
      url: "/experimental/worktree",
      query: { directory },
      body: { name },
      answer: made,
    });
    const ready = outcomes.of(answer.directory).finally(stop);
    // A caller that never waits for it has nothing to handle.
    ready.catch(() => undefined);
    return { folder: answer.directory, branch: answer.branch, ready };
  } catch (thrown) {
    stop();
    throw thrown;
  }
}

/** What is told of worktrees from the first moment on: an outcome may come before the request is answered. */
class Outcomes {
  readonly #byDirectory = new Map<string, string | undefined>();
  readonly #listening: Promise<void>;
  #directory: string | undefined;
  #found: () => void = () => undefined;

  constructor(events: AsyncIterable<unknown>) {
    this.#listening = this.#listen(events);
    this.#listening.catch(() => undefined);
  }

  async of(directory: string): Promise<void> {
    this.#directory = directory;
    const found = new Promise<void>((resolve) => (this.#found = resolve));
    if (this.#byDirectory.has(directory)) this.#found();
    // Only the time limit, the host's end or a lost connection ends the listening.
    await Promise.race([found, this.#listening]);
    if (!this.#byDirectory.has(directory)) {
      const seconds = READY_LIMIT_MS / 1_000;
      throw new HostError(`the worktree's files were not there within ${seconds} s`);
    }
    const failure = this.#byDirectory.get(directory);
    if (failure !== undefined) {
      throw new HostError(`the worktree's files could not be written: ${failure}`);
    }
  }

  async #listen(events: AsyncIterable<unknown>): Promise<void> {
    try {
      for await (const event of events) {
        const { data } = news.safeParse(event);
        if (!data) continue;
        const { directory, payload } = data;
        const isFailure = payload.type === "worktree.failed";
        this.#byDirectory.set(directory, isFailure ? payload.properties.message : undefined);
        if (directory === this.#directory) this.#found();
      }
    } catch (thrown) {
      throw new HostError(`OpenCode's events were lost: ${coerceError(thrown).message}`);
    }
  }
}
