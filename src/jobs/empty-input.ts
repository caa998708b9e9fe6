/**
 * Watchers that end with their stdin (`esbuild --watch`, anything that listens for its end) end at once, as a success
 * and without a word, where it is empty. The words for such an end say what may have been the reason. Pure.
 */
import type { Job } from "./job.js";

const SOON_MILLISECONDS = 5_000;
/** Words by which a command says that it goes on. */
const GOES_ON = /(?:^|[\s:=/-])(?:watch|serve|dev)(?![\w.-])/iu;

/** One sentence, or nothing where the end says what it seems to say. */
export function emptyInputHint(job: Job): string | undefined {
  if (job.kind !== "process" || job.stdin || job.status !== "completed") return undefined;
  const { startedAt, completedAt, readyPattern, readyPort, notifyPattern, command } = job;
  if (!startedAt || !completedAt) return undefined;
  if (completedAt.getTime() - startedAt.getTime() > SOON_MILLISECONDS) return undefined;
  const wasMeantToGoOn =
    job.global ||
    [readyPattern, readyPort, notifyPattern].some((each) => each !== undefined) ||
    GOES_ON.test(command);
  if (!wasMeantToGoOn) return undefined;
  return 'its stdin was empty, and some programs end with it: if it should have gone on, start it with "stdin":"open"';
}
