/**
 * The owner's end of the control socket: other processes of this user stop and cancel the jobs of this instance by
 * it. One request per connection; a client that says nothing, too much or anything else is answered and let go.
 */
import { rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { coerceError, type Clock, type Log } from "../ports.js";
import { listenAlone } from "./address.js";
import {
  controlRequest,
  LONGEST_LINE,
  type ControlAnswer,
  type ControlRequest,
} from "./protocol.js";

/** So long a client may take to send its line. */
export const PATIENCE_MS = 5_000;
const MOST_CONNECTIONS = 32;

export interface ControlServerDeps {
  clock: Clock;
  log: Log;
  /** Does what is asked; its text is for people. What it throws is the answer's error. */
  handle: (request: ControlRequest) => Promise<string>;
}

export class ControlServer {
  readonly #deps: ControlServerDeps;
  readonly #path: string;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  /** Resolves when it listens on `path`. Rejects with the system's error, or when the folder is not ours. */
  static async listen(path: string, deps: ControlServerDeps): Promise<ControlServer> {
    const control = new ControlServer(path, deps);
    await listenAlone(control.#server, path);
    control.#server.on("error", ({ message: error }) => {
      deps.log("warn", "the control socket failed", { error });
    });
    return control;
  }

  private constructor(path: string, deps: ControlServerDeps) {
    this.#path = path;
    this.#deps = deps;
    this.#server = createServer((socket) => this.#serve(socket));
    this.#server.maxConnections = MOST_CONNECTIONS;
    this.#server.unref();
  }

  /** Ends all connections and removes the socket. Idempotent. */
  close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    return new Promise((resolve) => {
      // Its only error is that it is closed already.
      this.#server.close(() => {
        rmSync(this.#path, { force: true });
        resolve();
      });
    });
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    socket.unref();
    socket.setEncoding("utf8");
    const { clock } = this.#deps;
    const timer = clock.after(PATIENCE_MS, () => {
      answer(socket, { ok: false, error: `no request came within ${PATIENCE_MS / 1000} s` });
    });
    socket.once("close", () => {
      timer.cancel();
      this.#sockets.delete(socket);
    });
    // ECONNRESET, EPIPE: the client has gone, and its answer is not waited for.
    socket.on("error", (error) => {
      this.#deps.log("debug", "a control client went away", { error: error.message });
    });
    let text = "";
    const listen = (piece: string): void => {
      text += piece;
      const end = text.indexOf("\n");
      if (end < 0 && text.length <= LONGEST_LINE) return;
      timer.cancel();
      socket.off("data", listen);
      const line = end < 0 || end > LONGEST_LINE ? undefined : text.slice(0, end);
      void this.#answer(line).then((said) => answer(socket, said));
    };
    socket.on("data", listen);
  }

  async #answer(line: string | undefined): Promise<ControlAnswer> {
    if (line === undefined) {
      return { ok: false, error: `expected one line of at most ${LONGEST_LINE} characters` };
    }
    let request: ControlRequest;
    try {
      request = controlRequest.parse(JSON.parse(line));
    } catch {
      // Whatever it was, it is shown to its sender, who may be anything.
      const methods = controlRequest.options.map((option) => option.shape.method.value).join(", ");
      return { ok: false, error: `expected {"method": one of ${methods}, …}` };
    }
    try {
      return { ok: true, text: await this.#deps.handle(request) };
    } catch (thrown) {
      return { ok: false, error: coerceError(thrown).message };
    }
  }
}

function answer(socket: Socket, said: ControlAnswer): void {
  socket.end(`${JSON.stringify(said)}\n`);
}
