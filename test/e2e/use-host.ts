// Owns: one scripted model and one host per describe block. Promises: a test that fails shows the
// last events, model requests and the server's log; a block that ends leaves nothing behind, and
// fails if it did.
import { after, before, test, type TestContext } from "node:test";
import { startHost, type Host, type HostOptions } from "../../fixtures/host/index.js";
import { ScriptedModel } from "../../fixtures/model/index.js";

const TEST_TIMEOUT_MS = 60_000;

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
    this.#host = await startHost({ ...options, model: this.#model });
  }

  async clear(): Promise<void> {
    try {
      await this.#host?.dispose();
    } finally {
      await this.#model?.close();
    }
  }

  /** A test that explains itself when it fails. */
  test(name: string, body: (t: TestContext) => Promise<void>, timeout = TEST_TIMEOUT_MS): void {
    void test(name, { timeout }, async (t) => {
      try {
        await body(t);
      } catch (error) {
        console.error(`=== ${name} failed\n${this.host.dump()}`);
        throw error;
      }
    });
  }
}

/** Call it inside a describe block: one server for all tests of the block. */
export function useHost(options: Omit<HostOptions, "model"> = {}): Bed {
  const bed = new Bed();
  before(() => bed.make(options), { timeout: 180_000 });
  after(() => bed.clear(), { timeout: 60_000 });
  return bed;
}
