/**
 * What all instances have on disk, for those who only look: the command line and the terminal UI. Once, or again
 * after each change.
 */
import { coerceError, silentLog, systemClock, type Clock, type Log, type Timer } from "../ports.js";
import { InstanceReader, type InstanceFilter, type InstanceView } from "./instance-reader.js";
import type { Processes } from "./owner.js";
import { FolderWatch } from "./watch-folders.js";

export type { InstanceFilter, InstanceView };

/** Never rejects. Folders come in the order in which their owners were made. */
export function readInstances(
  root: string,
  filter: InstanceFilter = {},
  processes?: Processes,
): Promise<InstanceView[]> {
  return new InstanceReader(root, filter, processes).read();
}

export interface InstanceWatch {
  /** Reads again and calls back, also without a change on disk: an owner's death changes no file. */
  refresh(): void;
  close(): void;
}

export interface WatchOptions {
  clock?: Clock;
  log?: Log;
  processes?: Processes;
}

/** At most five updates a second. */
const UPDATE_MILLISECONDS = 200;
/** Only where the system cannot watch (out of watches): how often to look. */
const POLL_MILLISECONDS = 2000;

/**
 * Calls back soon with what is there, and again after each change. Nothing runs while nothing changes. Does not
 * keep the process alive; `close` ends it, and nothing is called back afterwards.
 *
 * @example
 * const watch = watchInstances(defaultRoot(), projectID, (instances) => show(instances));
 */
export function watchInstances(
  root: string,
  projectID: string,
  callback: (instances: InstanceView[]) => void,
  { clock = systemClock, log = silentLog, processes }: WatchOptions = {},
): InstanceWatch {
  const reader = new InstanceReader(root, { projectID }, processes);
  let timer: Timer | undefined;
  let updating = false;
  let again = false;
  let closed = false;
  let lastUpdate = Number.NEGATIVE_INFINITY;

  const schedule = (): void => {
    if (closed || timer) return;
    if (updating) {
      again = true;
      return;
    }
    const wait = lastUpdate + UPDATE_MILLISECONDS - clock.monotonic();
    timer = clock.after(Math.max(0, wait), () => {
      timer = undefined;
      update().catch((thrown: unknown) => {
        log("error", "a listener for changes on disk failed", { error: coerceError(thrown).stack });
      });
    });
  };
  const folders = new FolderWatch(schedule, log);

  async function update(): Promise<void> {
    updating = true;
    again = false;
    lastUpdate = clock.monotonic();
    try {
      // First watch, then read: what changes in between is seen.
      folders.set([...reader.projects, ...reader.folders]);
      const instances = await reader.read();
      if (!closed) callback(instances);
    } finally {
      updating = false;
      if (again) schedule();
      else if (!folders.canWatch) poll();
    }
  }

  function poll(): void {
    if (closed || timer) return;
    timer = clock.after(POLL_MILLISECONDS, () => {
      timer = undefined;
      schedule();
    });
  }

  schedule();
  return {
    refresh: schedule,
    close() {
      closed = true;
      timer?.cancel();
      folders.close();
    },
  };
}
