/**
 * Which model a run goes on with after a fault of its provider; what counts as a fault is said by
 * `host/provider-fault.ts`. Pure.
 */
import type { Options } from "../options.js";

export type FallbackOptions = Pick<Options, "fallbackModels" | "fallbackModelsByAgent">;

/** Models that a run may go on with, in order: those of its agent, or of the model that it began with. */
export function fallbackList(
  { fallbackModels, fallbackModelsByAgent }: FallbackOptions,
  agent: string,
  firstModel: string | undefined,
): readonly string[] {
  const own = Object.hasOwn(fallbackModelsByAgent, agent)
    ? fallbackModelsByAgent[agent]
    : undefined;
  if (own !== undefined) return own;
  if (firstModel === undefined || !Object.hasOwn(fallbackModels, firstModel)) return [];
  return fallbackModels[firstModel] ?? [];
}

/** The first of the list that the run was not given yet; each is tried once, and never again. */
export function nextModel(list: readonly string[], given: readonly string[]): string | undefined {
  return list.find((model) => !given.includes(model));
}
