/**
 * The second mark of a job's processes, beside the variable in their environment: descriptor 3 is an empty file of ours
 * that has no name any more, and which /proc still calls by the one it had, with the ids of its jobs. It is inherited by
 * whatever a process starts and survives what a daemon does to hide its origin: a session of its own, the end of its
 * parent, an environment that was overwritten with a title (redis, nginx). A program that closes all its descriptors
 * loses it. Linux only.
 */
import { closeSync, constants, existsSync, openSync, unlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** The first that a runtime can hand over beside the standard ones without filling those between. */
export const MARK_DESCRIPTOR = 3;

const PREFIX = "opencode-background.";

/** In memory: a file on a disk that is made and taken away costs as much as the start of a shell. */
const MEMORY = "/dev/shm";

/** Both as in the environment: ids joined by ":". Throws what the system says; close it when it was handed over. */
export function openMark(instances: string, jobs: string): number {
  const folder = existsSync(MEMORY) ? MEMORY : tmpdir();
  const file = join(folder, `${PREFIX}${instances}.${jobs}`);
  const mark = openSync(file, constants.O_RDONLY | constants.O_CREAT | constants.O_EXCL, 0o600);
  try {
    unlinkSync(file);
  } catch (thrown) {
    closeSync(mark);
    throw thrown;
  }
  return mark;
}

/** The ids of the jobs that a descriptor's target names; none of any other file's. */
export function jobsInMark(target: string): readonly string[] {
  const name = target.slice(target.lastIndexOf("/") + 1);
  const [, jobs] = name.startsWith(PREFIX) ? name.slice(PREFIX.length).split(".") : [];
  // "(deleted)" follows.
  return jobs?.split(" ", 1)[0]?.split(":") ?? [];
}
