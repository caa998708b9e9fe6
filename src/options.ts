/**
 * Every option of the plugin with its default and range, in one place, and how options are read as a user wrote them: a
 * wrong or unknown one never stops a plugin: it is named with what was expected and what came, its default is used and
 * all other options hold.
 */
import { z } from "zod";
import { cutText } from "./text.js";

const KIB = 1_024;
const MIB = 1_024 * KIB;

function limit(least: number, most: number, usual: number, about: string) {
  return z.number().int().min(least).max(most).default(usual).describe(about);
}

const perModel = z.record(z.string(), z.number().int().min(1).max(100));

/** US dollars; 0 for no limit. */
const dollars = z.number().min(0).max(1_000_000);
const tokens = z.number().int().min(0).max(1_000_000_000_000);

/** "provider/model"s, in the order in which they are tried. */
const models = z.array(z.string().regex(/^[^/\s]+\/\S+$/u)).max(20);

/** Of paths below the top of a tree: nothing leads out of it. */
const insidePattern = z
  .string()
  .regex(/^(?![/\\])(?![A-Za-z]:)(?!(?:.*[/\\])?\.\.(?:[/\\]|$))[^\0]+$/u);

export const optionsSchema = z.object({
  concurrency: limit(1, 100, 5, 'Subagents that run at once for one model ("provider/model")'),
  concurrencyByModel: perModel
    .default({})
    .describe('The same for single providers or models: { "anthropic": 3, "openai/gpt-5": 1 }'),
  maxRunning: limit(1, 100, 10, "Subagents that run at once in all"),
  maxDepth: limit(1, 5, 1, "How deep subagents may start subagents; 1: only a root session"),
  maxTasksPerSession: limit(1, 1_000, 50, "Live subagents in one session tree"),
  stallMinutes: z
    .number()
    .positive()
    .max(1_440)
    .default(10)
    .describe("Minutes without a sign of life until a subagent counts as stalled"),
  stallAction: z.enum(["notify", "cancel"]).default("notify").describe("What a stall leads to"),
  maxRunMinutes: z
    .number()
    .min(0)
    .max(10_080)
    .default(0)
    .describe("Ends a subagent's run after so many minutes; 0: never"),
  maxToolCalls: limit(
    0,
    100_000,
    0,
    "Ends a subagent's run at the first tool call beyond so many; 0: never",
  ),
  maxCost: dollars
    .default(0)
    .describe("Ends a subagent once all its runs have cost so many US dollars; 0: never"),
  maxCostByAgent: z
    .record(z.string(), dollars)
    .default({})
    .describe('The same for single agents, in place of maxCost: { "explore": 0.5 }'),
  maxTokens: tokens
    .default(0)
    .describe(
      "Ends a subagent once all its runs have taken so many tokens (input, output and reasoning, without cache); 0: never",
    ),
  maxTokensByAgent: z
    .record(z.string(), tokens)
    .default({})
    .describe("The same for single agents, in place of maxTokens"),
  maxCostPerSession: dollars
    .default(0)
    .describe(
      "Ends all subagents of a session tree, and refuses more, once they have cost so many US dollars in all; 0: never",
    ),
  fallbackModels: z
    .record(z.string(), models)
    .default({})
    .describe(
      'Models with which a subagent goes on when its provider fails: { "anthropic/claude-sonnet-4-5": ["openai/gpt-5"] }',
    ),
  fallbackModelsByAgent: z
    .record(z.string(), models)
    .default({})
    .describe("The same for single agents, in place of the list of their model"),
  permissionInBackground: z
    .enum(["leave", "reject"])
    .default("leave")
    .describe("A child's permission question: left to the user, or rejected with a reason"),
  wake: z
    .enum(["each", "all", "none"])
    .default("each")
    .describe("When an idle session is woken: at each end, when all have ended, or never"),
  mergeMilliseconds: limit(
    0,
    5_000,
    200,
    "Quiet time in which ends merge; five times that at most",
  ),
  onParentAbort: z
    .enum(["keep", "cancel"])
    .default("keep")
    .describe("Jobs of a session whose run the user stops (ESC)"),
  toasts: z.boolean().default(true).describe("A toast when jobs end, block or stall"),
  maxProcesses: limit(1, 1_000, 32, "Live processes per project directory of an OpenCode"),
  outputLimit: limit(
    512 * KIB,
    1_024 * MIB,
    8 * MIB,
    "Bytes of output kept per process: its first 256 KiB and the newest rest",
  ),
  totalOutputLimit: limit(
    MIB,
    102_400 * MIB,
    256 * MIB,
    "Bytes of output kept for all processes; the oldest ended ones go first",
  ),
  killGraceMilliseconds: limit(0, 60_000, 2_000, "Between SIGTERM and SIGKILL"),
  onEvent: z
    .array(z.string().min(1))
    .default([])
    .describe(
      'A command that gets one JSON line on its stdin for each end, block, stall, crash loop and spent budget, as a list of words: ["/usr/local/bin/tell-me"]; no shell',
    ),
  onEventText: z
    .boolean()
    .default(false)
    .describe("The line of onEvent also holds a subagent's result or a process's last lines"),
  worktreeInclude: z
    .array(insidePattern)
    .max(50)
    .default([".env*"])
    .describe("Ignored files that a subagent's worktree is given, as patterns below the tree"),
  worktreeCommit: z
    .boolean()
    .default(true)
    .describe("What a subagent leaves uncommitted in its worktree is committed on its branch"),
  bash: z
    .enum(["host", "continue"])
    .default("host")
    .describe(
      'OpenCode\'s own bash, or one of ours in its place, whose commands go on in the background when their time is over: "continue"',
    ),
  bashSeconds: limit(1, 600, 30, "With it: seconds until a command without timeout goes on there"),
  bashMaxMinutes: limit(
    1,
    10_080,
    60,
    "With it: minutes from its start until such a command is ended",
  ),
  bashHint: z
    .boolean()
    .default(true)
    .describe(
      "The answer of OpenCode's own bash names createBackgroundProcess when the command ends in & or begins with nohup or setsid",
    ),
  web: z
    .strictObject({
      port: z
        .number()
        .int()
        .min(1)
        .max(65_535)
        .default(4777)
        .describe("Of 127.0.0.1; another is never taken instead"),
      open: z.boolean().default(false).describe("Open it in the browser when OpenCode starts"),
    })
    .optional()
    .describe("Serves the page of background jobs, see docs/web.md; {} for its defaults"),
  keepEnded: limit(1, 10_000, 200, "Ended jobs that are kept"),
  keepDays: z.number().positive().max(365).default(7).describe("Days for which they are kept"),
});

export type Options = z.infer<typeof optionsSchema>;

/** What an option lists under a name. Names come from outside: `toString` is none, unless it is listed. */
export function listedFor<T>(name: string, list: Readonly<Record<string, T>>): T | undefined {
  return Object.hasOwn(list, name) ? list[name] : undefined;
}

export function parseOptions(raw: Record<string, unknown> = {}): ReadOptions<Options> {
  return readOptions(optionsSchema, raw);
}

export interface ReadOptions<T> {
  options: T;
  /** One line for each option that was not taken: what is wrong, and what holds instead. */
  problems: string[];
  /** The same without what holds instead, for callers that refuse them. */
  faults: string[];
}

export function readOptions<S extends z.ZodRawShape>(
  schema: z.ZodObject<S>,
  raw: Readonly<Record<string, unknown>>,
): ReadOptions<z.infer<z.ZodObject<S>>> {
  const problems: string[] = [];
  const faults: string[] = [];
  const complain = (fault: string, instead: string): void => {
    faults.push(fault);
    problems.push(fault + instead);
  };
  const accepted: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(raw)) {
    const option = Object.entries(schema.shape).find(([known]) => known === name)?.[1];
    const parsed = option && z.safeParse(option, value);
    if (!parsed) complain(`option "${name}" is unknown`, " and was ignored");
    else if (parsed.success) accepted[name] = parsed.data;
    else {
      const expected = parsed.error.issues.map(explain).join(" and ");
      const fault = `option "${name}": expected ${expected}, got ${shown(value)}`;
      complain(fault, "; using the default");
    }
  }
  return { options: schema.parse(accepted), problems, faults };
}

/** In words of our own: the bundle holds no language for zod's. */
function explain(issue: z.core.$ZodIssue): string {
  const where = issue.path.length > 0 ? `for ${issue.path.join(".")} ` : "";
  return where + expectation(issue);
}

function expectation(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case "too_small":
      return `${issue.inclusive === false ? "more than" : "at least"} ${issue.minimum}`;
    case "too_big":
      return `${issue.inclusive === false ? "less than" : "at most"} ${issue.maximum}`;
    case "invalid_value":
      return (issue.values.length > 1 ? "one of " : "") + issue.values.map(shown).join(", ");
    case "invalid_type":
      return KINDS[issue.expected] ?? issue.expected;
    case "invalid_union":
      return issue.errors.map((each) => each.map(explain).join(" and ")).join(" or ");
    default:
      return "another value";
  }
}

const KINDS: Readonly<Record<string, string>> = {
  number: "a number",
  int: "a whole number",
  string: "a text",
  boolean: "true or false",
  record: "an object",
};

function shown(value: unknown): string {
  return cutText(JSON.stringify(value) ?? String(value), 61);
}
