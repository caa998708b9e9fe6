/**
 * The options of the terminal part, as given in `tui.json`: `["opencode-background-manager", { … }]`. A wrong one
 * never stops it: it is named, and its default is used.
 */
import { z } from "zod";

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

export function parseTuiOptions(raw: Readonly<Record<string, unknown>> = {}): {
  options: TuiOptions;
  problems: string[];
} {
  const problems: string[] = [];
  const accepted: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(raw)) {
    const option = Object.entries(schema.shape).find(([known]) => known === name)?.[1];
    const parsed = option?.safeParse(value);
    if (!parsed) problems.push(`option "${name}" is unknown and was ignored`);
    else if (parsed.success) accepted[name] = parsed.data;
    else {
      const what = parsed.error.issues.map((issue) => issue.message).join("; ");
      problems.push(`option "${name}": ${what}; using the default`);
    }
  }
  return { options: schema.parse(accepted), problems };
}
