/**
 * Calls back, once, when this process is about to go: at `exit`, and at SIGTERM, SIGINT and SIGHUP. A host that
 * has no listener of its own for a signal dies at once; because ours keeps it alive, ours sends the signal again
 * after its work. It never exits the process, and leaves others' listeners and their decisions alone. In a worker
 * thread (OpenCode's terminal UI) no signal arrives; there only `dispose` tells of the end.
 *
 * Any number of instances share one listener for each event, so the process has four of ours or none. Who
 * shares is found through the process's own list of listeners: nothing is kept in this module, and two copies
 * of it work together.
 */
import type { EventEmitter } from "node:events";
import { coerceError, silentLog, type Log } from "../ports.js";

const SIGNALS: readonly NodeJS.Signals[] = ["SIGTERM", "SIGINT", "SIGHUP"];
const CALLBACKS = Symbol.for("opencode-background-manager.on-host-exit");

type ExitCallback = () => void;

interface ExitListener {
  (event: unknown): void;
  [CALLBACKS]: Set<ExitCallback>;
}

/** The one whose end it is; tests pass their own. */
export interface HostProcess {
  events: EventEmitter;
  /** Sends a signal to this process. */
  raise(signal: NodeJS.Signals): void;
}

const OWN_HOST: HostProcess = {
  events: process,
  raise: (signal) => void process.kill(process.pid, signal),
};

/**
 * `callback` must be synchronous: there is no time for more; what it throws is only logged. Returns the function
 * that takes it back; when the last one is taken back no listener is left.
 */
export function onHostExit(
  callback: ExitCallback,
  log: Log = silentLog,
  host: HostProcess = OWN_HOST,
): () => void {
  const listener = host.events.listeners("exit").find(isOurs) ?? install(host);
  const guarded = () => {
    try {
      callback();
    } catch (thrown) {
      log("error", "ending with the host failed", { error: coerceError(thrown).stack });
    }
  };
  listener[CALLBACKS].add(guarded);
  return () => {
    listener[CALLBACKS].delete(guarded);
    if (listener[CALLBACKS].size === 0) remove(host, listener);
  };
}

function isOurs(listener: unknown): listener is ExitListener {
  return typeof listener === "function" && CALLBACKS in listener;
}

function install(host: HostProcess): ExitListener {
  const callbacks = new Set<ExitCallback>();
  const listen = (event: unknown): void => {
    remove(host, listener);
    for (const callback of callbacks) {
      callbacks.delete(callback);
      callback();
    }
    const signal = SIGNALS.find((name) => name === event);
    // Another listener decides what the signal means; without one it means what it always did.
    if (signal && host.events.listenerCount(signal) === 0) host.raise(signal);
  };
  const listener: ExitListener = Object.assign(listen, { [CALLBACKS]: callbacks });
  for (const event of ["exit", ...SIGNALS]) host.events.on(event, listener);
  return listener;
}

function remove({ events }: HostProcess, listener: ExitListener): void {
  for (const event of ["exit", ...SIGNALS]) events.off(event, listener);
}
