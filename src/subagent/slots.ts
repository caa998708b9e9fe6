/**
 * How many subagents run at once: a queue per model and one over all, both first in, first out. A slot is held
 * by a promise, so it is released exactly once, whatever way a run ends. Nothing but runs waits here.
 */
import PQueue from "p-queue";
import type { Options } from "../options.js";

type SlotOptions = Pick<Options, "concurrency" | "concurrencyByModel" | "maxRunning">;

export class Slots {
  readonly #options: SlotOptions;
  readonly #all: PQueue;
  readonly #byModel = new Map<string, PQueue>();
  /** In the order in which they came; one that comes again waits anew. */
  readonly #waiting = new Map<string, () => Promise<void>>();

  constructor(options: SlotOptions) {
    this.#options = options;
    this.#all = new PQueue({ concurrency: options.maxRunning });
  }

  /** `model` is "provider/model". True when a run added now would not start at once. */
  isFull(model: string): boolean {
    const queue = this.#byModel.get(model);
    return isFull(this.#all) || (queue !== undefined && isFull(queue));
  }

  /** Ids of what waits for its turn, in the order in which it came. */
  get waiting(): string[] {
    return [...this.#waiting.keys()];
  }

  /** Runs `work` when it is its turn; resolves or rejects with it. `id` names it while it waits. */
  async hold(model: string, id: string, work: () => Promise<void>): Promise<void> {
    let queue = this.#byModel.get(model);
    if (!queue) {
      queue = new PQueue({ concurrency: this.#limitOf(model) });
      this.#byModel.set(model, queue);
    }
    const start = (): Promise<void> => {
      this.#waitsNoMore(id, start);
      return work();
    };
    this.#waiting.delete(id);
    this.#waiting.set(id, start);
    try {
      await queue.add(() => this.#all.add(start));
    } finally {
      this.#waitsNoMore(id, start);
      // Another queue may have taken its place since.
      const isEmpty = queue.pending === 0 && queue.size === 0;
      if (isEmpty && this.#byModel.get(model) === queue) this.#byModel.delete(model);
    }
  }

  #waitsNoMore(id: string, start: () => Promise<void>): void {
    if (this.#waiting.get(id) === start) this.#waiting.delete(id);
  }

  #limitOf(model: string): number {
    const { concurrency, concurrencyByModel } = this.#options;
    const provider = model.split("/", 1)[0] ?? "";
    return concurrencyByModel[model] ?? concurrencyByModel[provider] ?? concurrency;
  }
}

function isFull(queue: PQueue): boolean {
  return queue.pending >= queue.concurrency || queue.size > 0;
}
