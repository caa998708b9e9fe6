// Owns: one terminal per describe block: with its own server as users start it, or attached to a server whose state the
// test can read beside the screen. Promises: those of use-host.ts, for both; without tmux the block says why it is
// skipped.
import { join } from "node:path";
import { after, before } from "node:test";
import { PACKAGE_ROOT, type HostOptions } from "../../fixtures/host/index.js";
import { ScriptedModel } from "../../fixtures/model/index.js";
import { buildPart } from "../../fixtures/tui/build-part.js";
import { noTerminalReason, type Terminal } from "../../fixtures/tui/terminal.js";
import { startTui, type Tui, type TuiOptions } from "../../fixtures/tui/tui.js";
import { Bed } from "./use-host.js";

export const skip = (await noTerminalReason()) ?? false;

/** Only so that a run ends: what a test waits for says by itself when nothing moves any more. */
export const LIMIT = { timeout: 900_000 };

interface Attachment extends Omit<HostOptions, "model"> {
  /** Further terminal parts, from the package's root. */
  parts?: readonly string[];
  /** Before the terminal starts. */
  prepare?: (bed: AttachedBed) => Promise<unknown>;
}

export class AttachedBed extends Bed {
  #session = "";
  #tui: Tui | undefined;

  /** The session that the terminal shows. */
  get session(): string {
    return this.#session;
  }

  get terminal(): Terminal {
    return there(this.#tui).terminal;
  }

  /** Everything that the server and the terminal keep on disk is in these. */
  get scratch(): string[] {
    return [this.host.folders.scratch, ...(this.#tui ? [this.#tui.folders.scratch] : [])];
  }

  /** Where the server's OpenCode keeps our state. */
  get root(): string {
    return join(this.host.state, "state", "opencode", "background");
  }

  async attach({ parts = [], prepare, ...options }: Attachment): Promise<void> {
    await this.make(options);
    const { host, model } = this;
    this.#session = (await host.createSession({ title: "Attached" })).id;
    await prepare?.(this);
    const { project } = host;
    const args = ["attach", host.url, "--dir", project, "--session", this.#session];
    const moreParts = await Promise.all(
      parts.map((part) => buildPart(join(PACKAGE_ROOT, part), host.folders.scratch)),
    );
    this.#tui = await startTui({ model, project, plugins: [], moreParts, args });
  }

  override async clear(): Promise<void> {
    try {
      await this.#tui?.end();
    } finally {
      await super.clear();
    }
  }
}

/** Call it inside a describe block that has `skip`. */
export function useAttached(options: Attachment = {}): AttachedBed {
  const bed = new AttachedBed();
  before(() => bed.attach(options), LIMIT);
  after(() => bed.clear(), LIMIT);
  return bed;
}

type TuiChoice = Omit<TuiOptions, "model">;

export class TuiBed {
  #model: ScriptedModel | undefined;
  #tui: Tui | undefined;

  get model(): ScriptedModel {
    return there(this.#model);
  }

  get tui(): Tui {
    return there(this.#tui);
  }

  get terminal(): Terminal {
    return this.tui.terminal;
  }

  async start(choose: (model: ScriptedModel) => TuiChoice | Promise<TuiChoice>): Promise<void> {
    this.#model = await ScriptedModel.start();
    this.#tui = await startTui({ model: this.#model, ...(await choose(this.#model)) });
  }

  async clear(): Promise<void> {
    try {
      await this.#tui?.end();
    } finally {
      await this.#model?.close();
    }
  }
}

/** Call it inside a describe block that has `skip`; an `after` behind it finds the terminal ended. */
export function useTui(...[choose]: Parameters<TuiBed["start"]>): TuiBed {
  const bed = new TuiBed();
  before(() => bed.start(choose), LIMIT);
  after(() => bed.clear(), LIMIT);
  return bed;
}

function there<T>(what: T | undefined): T {
  if (what === undefined) throw new Error("there is no terminal");
  return what;
}
