/**
 * The jobs on this machine as a signal: finds out where the server keeps them and follows the files. Its state folder
 * can be read only on the same machine; the server itself says where that folder is, so a terminal attached with
 * another XDG_STATE_HOME finds it, too. A server that does not answer is asked again, more and more seldom: one that
 * starts on a busy machine takes longer than anyone waits. Once it has, nothing is polled: without a change on disk no
 * code of ours runs, and many changes are at most five updates a second (the store's watch sees to both). What goes
 * wrong is a problem to show, never an exception in the host's screen.
 */
import { existsSync } from "node:fs";
import { hostname, networkInterfaces } from "node:os";
import { join } from "node:path";
import type { OpencodeClient } from "@opencode-ai/sdk/v2";
import { createSignal, type Accessor } from "solid-js";
import { coerceError, type Clock, type Timer } from "../ports.js";
import { watchInstances, type InstanceView, type InstanceWatch } from "../store/instances.js";
import type { ShownJob } from "./describe.js";

export type Origin =
  | { kind: "here"; root: string; projectID: string; directory: string }
  /** Jobs cannot be seen; `server` names the machine for people. */
  | { kind: "elsewhere"; server: string };

const PATIENCE_MILLISECONDS = 5_000;

/** What of the host's API is asked. */
export interface Asked {
  client: OpencodeClient;
  state: { readonly path: { state: string; directory: string } };
}

/** Rejects when the server has not answered, us or the terminal. */
export async function findOrigin(api: Asked): Promise<Origin> {
  const signal = AbortSignal.timeout(PATIENCE_MILLISECONDS);
  const { data, request, error } = await api.client.project.current({}, { signal });
  if (!data) throw new Error("the server does not say which project this is", { cause: error });
  const { state, directory } = api.state.path;
  // The terminal asks for them itself, and may not have been answered yet.
  if (state === "") throw new Error("the terminal does not know the server's folders yet");
  const server = new URL(request.url).hostname;
  if (!isHere(server, ownNames()) || !existsSync(state)) return { kind: "elsewhere", server };
  return { kind: "here", root: join(state, "background"), projectID: data.id, directory };
}

/** The name under which a terminal reaches the server in its own process. */
const IN_PROCESS = "opencode.internal";

export function isHere(server: string, own: readonly string[]): boolean {
  const name = server.replace(/^\[|\]$/g, "").toLowerCase();
  if (name === IN_PROCESS || name === "localhost" || name === "::1") return true;
  return name.startsWith("127.") || own.includes(name);
}

function ownNames(): string[] {
  const addresses = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
  return [hostname().toLowerCase(), ...addresses.map(({ address }) => address.toLowerCase())];
}

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

  /** Of the owner of each folder, once it was seen alive: only then it is known that the number is of this machine. */
  const pids = new Map<string, number | undefined>();
  const take = (instances: readonly InstanceView[]) => {
    for (const { folder, state, owner } of instances) {
      if (state === "alive") pids.set(folder, owner?.identity?.pid);
    }
    const jobs = instances.flatMap((each) => shownJobs(each, pids.get(each.folder)));
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
function shownJobs(
  { folder, owner, state, jobs, ...instance }: InstanceView,
  ownerPID: number | undefined,
): ShownJob[] {
  if (!owner) return [];
  const { directory } = owner;
  // Whether an owner in another container runs cannot be seen from here: its record is believed.
  const ownerAlive = state !== "dead";
  const lastSign = ownerAlive ? undefined : instance.lastSign;
  return jobs.map((job) => ({ job, folder, directory, ownerAlive, ownerPID, lastSign }));
}
