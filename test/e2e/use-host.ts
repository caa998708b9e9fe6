// Owns: one scripted model and one host per describe block. Promises: a test that fails shows the
// last events, model requests and the server's log; a block that ends leaves nothing behind, and
// fails if it did.
import { after, before, test, type TestContext } from "node:test";
import { Faults, startHost, type Host, type HostOptions } from "../../fixtures/host/index.js";
import { ScriptedModel } from "../../fixtures/model/index.js";

/** For a machine that is busy with other things; a test takes a tenth of it on an idle one. */
const TEST_TIMEOUT_MS = 180_000;

/** Two runs of git for each step, half of what a step costs; on where a test gives them back. */
const WITHOUT_SNAPSHOTS = { snapshot: false };

type BedOptions = Omit<HostOptions, "model">;
type ProjectOptions = Omit<BedOptions, "env" | "password" | "project" | "state" | "on">;

export class Bed {
  #model: ScriptedModel | undefined;
  #host: Host | undefined;

  get model(): ScriptedModel {
    if (this.#model === undefined) throw new Error("the bed is not made yet");
    return this.#model;
  }

  get host(): Host {
    if (this.#host === undefined) throw new Error("the bed is not made yet");
    return this.#host;
  }

  async make(options: BedOptions): Promise<void> {
    this.#model = await ScriptedModel.start();
    const config = { ...WITHOUT_SNAPSHOTS, ...options.config };
    this.#host = await startHost({ ...options, config, model: this.#model });
  }

  async clear(): Promise<void> {
    try {
      await this.#host?.dispose();
    } finally {
      await this.#model?.close();
    }
  }

  dump(): string {
    return this.host.dump();
  }

  /** A test that explains itself when it fails. */
  test(name: string, body: (t: TestContext) => Promise<void>, timeout = TEST_TIMEOUT_MS): void {
    void test(name, { timeout }, async (t) => {
      try {
        await body(t);
      } catch (error) {
        console.error(`=== ${name} failed\n${this.dump()}`);
        throw error;
      }
    });
  }
}

/** A bed whose tests stand between the plugin and its host. */
export class FaultyBed extends Bed {
  #faults: Faults | undefined;

  get faults(): Faults {
    if (this.#faults === undefined) throw new Error("the bed is not made yet");
    return this.#faults;
  }

  override async make({ pluginOptions, ...options }: BedOptions): Promise<void> {
    this.#faults = await Faults.start();
    await super.make({ ...options, plugins: [this.#faults.plugin(pluginOptions)] });
  }

  override async clear(): Promise<void> {
    try {
      await super.clear();
    } finally {
      await this.#faults?.close();
    }
  }

  override dump(): string {
    return [super.dump(), this.faults.dump()].join("\n");
  }
}

/** Call it inside a describe block: one server for all tests of the block. */
export function useHost(options: BedOptions = {}): Bed {
  return prepared(new Bed(), () => options);
}

/**
 * The same as a project in the server that `shareServer` made, with its own plugin, options, configuration and model: for tests
 * that leave server and environment alone. A server's start and first turn cost five seconds of processor.
 */
export function useProject(options: ProjectOptions = {}): Bed {
  return prepared(new Bed(), async () => ({ ...options, on: (await server()).host }));
}

/** The same, with the plugin's requests, answers and events in the tests' hands. */
export function useFaultyHost(options: BedOptions = {}): FaultyBed {
  return prepared(new FaultyBed(), () => options);
}

export function useFaultyProject(options: ProjectOptions = {}): FaultyBed {
  return prepared(new FaultyBed(), async () => ({ ...options, on: (await server()).host }));
}

let shared: Promise<Bed> | undefined;
let isShared = false;

/** The server of this process's projects, made for the first of them. */
function server(): Promise<Bed> {
  if (!isShared) throw new Error("call shareServer at the top of the file");
  const make = async () => {
    const bed = new Bed();
    await bed.make({ plugins: [], env: { SHELL: "/bin/bash" } });
    return bed;
  };
  return (shared ??= make());
}

/** Call it at the top of a file that uses projects; files that run in one process have one server. */
export function shareServer(): void {
  if (isShared) return;
  isShared = true;
  after(async () => (await shared)?.clear(), { timeout: 180_000 });
}

function prepared<B extends Bed>(bed: B, options: () => BedOptions | Promise<BedOptions>): B {
  before(async () => bed.make(await options()), { timeout: 180_000 });
  after(() => bed.clear(), { timeout: 180_000 });
  return bed;
}
