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

  async make(options: Omit<HostOptions, "model">): Promise<void> {
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

  override async make({ pluginOptions, ...options }: Omit<HostOptions, "model">): Promise<void> {
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
export function useHost(options: Omit<HostOptions, "model"> = {}): Bed {
  return prepared(new Bed(), options);
}

/** The same, with the plugin's requests, answers and events in the tests' hands. */
export function useFaultyHost(options: Omit<HostOptions, "model"> = {}): FaultyBed {
  return prepared(new FaultyBed(), options);
}

function prepared<B extends Bed>(bed: B, options: Omit<HostOptions, "model">): B {
  before(() => bed.make(options), { timeout: 180_000 });
  after(() => bed.clear(), { timeout: 180_000 });
  return bed;
}
