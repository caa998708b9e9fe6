/**
 * Every option of the plugin with its default and range, in one place. A wrong or unknown option never stops
 * the plugin: it is named in a problem, its default is used and all other options hold.
 */
import { z } from "zod";

const perModel = z.record(z.string(), z.number().int().min(1).max(100));

const schema = z.object({
  /** Subagents that run at once for one model ("provider/model"). */
  concurrency: z.number().int().min(1).max(100).default(5),
  /** The same for single providers or models: `{ "anthropic": 3, "openai/gpt-5": 1 }`. */
  concurrencyByModel: perModel.default({}),
  /** Subagents that run at once in all. */
  maxRunning: z.number().int().min(1).max(100).default(10),
  /** How deep subagents may start subagents; 1: only a root session starts them. */
  maxDepth: z.number().int().min(1).max(5).default(1),
  /** Live subagents in one session tree. */
  maxTasksPerSession: z.number().int().min(1).max(1000).default(50),
  /** Minutes without any sign of life until a subagent is shown as stalled. */
  stallMinutes: z.number().positive().max(1440).default(10),
  /** What to do with a stalled subagent. */
  stallAction: z.enum(["notify", "cancel"]).default("notify"),
  /** Ends a subagent's run after so many minutes; 0: never. */
  maxRunMinutes: z.number().min(0).max(10080).default(0),
  /** Ends a subagent's run at so many tool calls; 0: never. */
  maxToolCalls: z.number().int().min(0).max(100000).default(0),
  /** A permission question of a child: leave it to the user, or reject it with a reason. */
  permissionInBackground: z.enum(["leave", "reject"]).default("leave"),
  /** When an idle parent is woken: for each end, when all have ended, or only with the user's next message. */
  wake: z.enum(["each", "all", "none"]).default("each"),
  /** Milliseconds of quiet after an end before its notice goes out, so that ends merge; at most five times that. */
  mergeMilliseconds: z.number().int().min(0).max(5000).default(200),
  /** What happens to a session's jobs when the user aborts its run (ESC). */
  onParentAbort: z.enum(["keep", "cancel"]).default("keep"),
  /** Show a toast when jobs end, block or stall. */
  toasts: z.boolean().default(true),
  /** Live processes in one OpenCode. */
  maxProcesses: z.number().int().min(1).max(1000).default(32),
  /** Bytes of output kept per process: its first 256 KiB and the newest rest. */
  outputLimit: z
    .number()
    .int()
    .min(512 * 1024)
    .max(1024 ** 3)
    .default(8 * 1024 ** 2),
  /** Bytes of output kept for all processes together. */
  totalOutputLimit: z
    .number()
    .int()
    .min(1024 ** 2)
    .max(100 * 1024 ** 3)
    .default(256 * 1024 ** 2),
  /** Milliseconds between SIGTERM and SIGKILL. */
  killGraceMilliseconds: z.number().int().min(0).max(60_000).default(2000),
  /** Ended jobs that are kept. */
  keepEnded: z.number().int().min(1).max(10_000).default(200),
  /** Days for which ended jobs are kept. */
  keepDays: z.number().positive().max(365).default(7),
});

export type Options = z.infer<typeof schema>;
export const optionsSchema = schema;

export interface ParsedOptions {
  options: Options;
  /** One line for each option that was not taken, naming it, what was expected and what came. */
  problems: string[];
}

export function parseOptions(raw: Record<string, unknown> = {}): ParsedOptions {
  const problems: string[] = [];
  const accepted: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(raw)) {
    const option = Object.entries(schema.shape).find(([known]) => known === name)?.[1];
    if (!option) {
      problems.push(`option "${name}" is unknown and was ignored`);
      continue;
    }
    const parsed = option.safeParse(value);
    if (parsed.success) accepted[name] = parsed.data;
    else problems.push(`option "${name}": ${describe(parsed.error)}; using the default`);
  }
  return { options: schema.parse(accepted), problems };
}

function describe(error: z.ZodError): string {
  return error.issues.map((issue) => issue.message).join("; ");
}
