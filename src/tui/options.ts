/** The options of the terminal part, as given in `tui.json`: `["opencode-background-manager", { … }]`. */
import { z } from "zod";
import { readOptions, type ReadOptions } from "../read-options.js";

const schema = z.object({
  /** Opens the list of jobs, in the notation of OpenCode's `keybinds`; false: no key. */
  key: z.union([z.string().min(1), z.literal(false)]).default("<leader>j"),
  /** For how many minutes an ended job stays in the sidebar. */
  fadeMinutes: z.number().min(0).max(1440).default(5),
  /** Live jobs in the sidebar; the rest is counted. */
  sidebarJobs: z.number().int().min(1).max(50).default(8),
  /** Ended jobs in the sidebar. */
  sidebarEnded: z.number().int().min(0).max(50).default(4),
  /** Ask for the user's attention (sound, desktop notification) as OpenCode's `attention` settings allow. */
  attention: z.boolean().default(true),
});

export type TuiOptions = z.infer<typeof schema>;

export function parseTuiOptions(
  raw: Readonly<Record<string, unknown>> = {},
): ReadOptions<TuiOptions> {
  return readOptions(schema, raw);
}
