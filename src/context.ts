/** What the workspace of a directory gives to each of its parts. */
import type { Host } from "./host/host.js";
import type { JobRegistry } from "./jobs/registry.js";
import type { Options } from "./options.js";
import type { Clock, Log } from "./ports.js";

export interface Context {
  host: Host;
  /** Every record of this directory, as it is now. */
  jobs: JobRegistry;
  clock: Clock;
  log: Log;
  options: Options;
}
