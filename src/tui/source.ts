/**
 * The jobs on this machine as a signal: finds out where the server keeps them and follows the files. A server that
 * does not answer is asked again, more and more seldom: one that starts on a busy machine takes longer than anyone
 * waits. Once it has, nothing is polled: without a change on disk no code of ours runs, and many changes are at most
 * five updates a second (the store's watch sees to both). What goes wrong is a problem to show, never an exception in
 * the host's screen.
 */
import { createSignal, type Accessor } from "solid-js";
import { coerceError, type Clock, type Timer } from "../ports.js";
import { watchInstances, type InstanceView, type InstanceWatch } from "../store/instances.js";
import type { Origin } from "./origin.js";
import type { ShownJob } from "./shown-job.js";

export interface Snapshot {
  jobs: readonly ShownJob[];
  /** When it was read. */
  at: number;
}

export interface Source {
  snapshot: Accessor<Snapshot>;
  /** Undefined until the server has answered. */
  origin: Accessor<Origin | undefined>;
  /** Why nothing can be shown. */
  problem: Accessor<string | undefined>;
  /** Looks again: for the server, if it did not answer the last time, else for owners that are gone. */
  refresh(): void;
  close(): void;
}

const FIRST_PAUSE_MILLISECONDS = 500;
const LONGEST_PAUSE_MILLISECONDS = 30_000;

export interface SourceOptions {
  findOrigin: () => Promise<Origin>;
  clock: Clock;
  /** After each look but the first, which nothing is compared with. */
  onChange: (before: readonly ShownJob[], after: readonly ShownJob[]) => void;
}

export function createSource({ findOrigin, clock, onChange }: SourceOptions): Source {
  const [snapshot, setSnapshot] = createSignal<Snapshot>({ jobs: [], at: clock.now() });
  const [origin, setOrigin] = createSignal<Origin>();
  const [problem, setProblem] = createSignal<string>();
  let watch: InstanceWatch | undefined;
  let seen: readonly ShownJob[] | undefined;
  let isConnecting = false;
  let isClosed = false;
  let retry: Timer | undefined;
  let pause = FIRST_PAUSE_MILLISECONDS;

  const take = (instances: readonly InstanceView[]) => {
    const jobs = instances.flatMap(shownJobs);
    const before = seen;
    seen = jobs;
    setSnapshot({ jobs, at: clock.now() });
    if (before) onChange(before, jobs);
  };
  const connect = async () => {
    const found = await findOrigin();
    if (isClosed) return;
    setOrigin(found);
    setProblem(undefined);
    if (found.kind === "here") watch = watchInstances(found.root, found.projectID, take, { clock });
  };
  const tryToConnect = () => {
    if (isClosed || isConnecting || origin()) return;
    retry?.cancel();
    isConnecting = true;
    connect()
      .catch((thrown: unknown) => {
        if (isClosed) return;
        setProblem(coerceError(thrown).message);
        retry = clock.after(pause, tryToConnect);
        pause = Math.min(2 * pause, LONGEST_PAUSE_MILLISECONDS);
      })
      .finally(() => {
        isConnecting = false;
      });
  };
  return {
    snapshot,
    origin,
    problem,
    refresh() {
      watch?.refresh();
      tryToConnect();
    },
    close() {
      isClosed = true;
      retry?.cancel();
      watch?.close();
    },
  };
}

/** Of a folder without an owner it is not known whose it is: one that is being made has no jobs yet. */
function shownJobs({ folder, owner, state, jobs, ...instance }: InstanceView): ShownJob[] {
  if (!owner) return [];
  const { directory } = owner;
  // Whether an owner in another container runs cannot be seen from here: its record is believed.
  const ownerAlive = state !== "dead";
  const lastSign = ownerAlive ? undefined : instance.lastSign;
  const ownerPID = state === "alive" ? owner.identity?.pid : undefined;
  return jobs.map((job) => ({ job, folder, directory, ownerAlive, ownerPID, lastSign }));
}
