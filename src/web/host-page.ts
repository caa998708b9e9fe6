/**
 * The page of one directory's background work, in its OpenCode: joined when the option says so or its user asks for it,
 * and left with the workspace. Nothing of it is loaded before.
 */
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { logFailure, type Log } from "../ports.js";
import type { Workspace } from "../workspace.js";
import type { PageLauncher } from "./launcher.js";

export class HostPage {
  readonly #log: Log;
  readonly #built: URL;
  #joined: Promise<{ launcher: PageLauncher; leave: () => void } | undefined> | undefined;
  #isClosed = false;

  /** `built`: where this package's built files are. */
  constructor(log: Log, built: URL) {
    this.#log = log;
    this.#built = built;
  }

  /** As the option says. */
  serve(workspace: Workspace): void {
    const { web } = workspace.options;
    if (web && !workspace.oneShot) void this.#join(workspace, web);
  }

  open(workspace: Workspace): void {
    void this.#join(workspace).then((joined) => joined?.launcher.openPage());
  }

  close(): void {
    this.#isClosed = true;
    void this.#joined?.then((joined) => joined?.leave());
  }

  #join(workspace: Workspace, serve?: { open: boolean }) {
    const failed = logFailure(this.#log, "error", "the page could not be loaded");
    return (this.#joined ??= this.#load(workspace, serve).catch(failed));
  }

  async #load(workspace: Workspace, serve?: { open: boolean }) {
    const { PageLauncher } = await import("./launcher.js");
    const { clock, log, host, options, userActs: acts, store } = workspace;
    const file = (name: string) => fileURLToPath(new URL(name, this.#built));
    const launcher = PageLauncher.for({
      clock,
      root: dirname(dirname(store.folder)),
      port: options.web?.port ?? 4777,
      program: {
        file: process.execPath,
        args: [file("web/serve.js")],
        // The host's own program is a runtime, when it is told to be one.
        env: { ...process.env, BUN_BE_BUN: "1", ELECTRON_RUN_AS_NODE: "1" },
      },
      pageFolder: file("web/page/"),
    });
    const toast = (message: string, variant: "info" | "warning" | "error"): void => {
      const failed = logFailure(log, "debug", "a toast could not be shown");
      host.toast({ title: "Background", message, variant }).catch(failed);
    };
    const leave = launcher.join({ log, acts, toast }, serve);
    if (this.#isClosed) leave();
    return { launcher, leave };
  }
}
