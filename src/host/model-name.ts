/** "provider/model", as the host and its users name a model; the model's own name may hold slashes. Pure. */
import type { ModelRef } from "../jobs/job.js";

export function parseModel(name: string): ModelRef {
  const slash = name.indexOf("/");
  return { providerID: name.slice(0, slash), modelID: name.slice(slash + 1) };
}
