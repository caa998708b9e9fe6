/**
 * What every view of ours is given: the host, the jobs, the options, the time; and what all of them ask of these. The
 * options are those of `tui.json`: `["opencode-background-manager", { … }]`.
 */
import type { TuiPluginApi } from "@opencode-ai/plugin/tui";
import { createEffect, createMemo, createSignal, onCleanup, type Accessor } from "solid-js";
import { z } from "zod";
import { requestEvent, type UserRequest } from "../host/user-request.js";
import type { Clock } from "../ports.js";
import { readOptions, type ReadOptions } from "../options.js";
import { jobsFor, type ShownJob } from "./describe.js";
import type { Source } from "./source.js";

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

export interface ViewContext {
  api: TuiPluginApi;
  source: Source;
  options: TuiOptions;
  clock: Clock;
}

/** The session that is on the screen. */
export function openSession({ api }: Pick<ViewContext, "api">): string | undefined {
  const { current } = api.route;
  const sessionID = current.name === "session" ? current.params?.["sessionID"] : undefined;
  return typeof sessionID === "string" ? sessionID : undefined;
}

/** The top of a session's tree, as far as the terminal knows it. */
export function rootOf({ api }: Pick<ViewContext, "api">, sessionID: string): string {
  const seen = new Set<string>();
  let at = sessionID;
  for (;;) {
    const parent = api.state.session.get(at)?.parentID;
    if (parent === undefined || seen.has(parent)) return at;
    seen.add(at);
    at = parent;
  }
}

/** The jobs of a session's tree, or of the whole directory, as a signal. */
export function jobsOf(
  { api, source }: Pick<ViewContext, "api" | "source">,
  rootSessionID: () => string | undefined,
): Accessor<ShownJob[]> {
  return createMemo(() =>
    jobsFor(source.snapshot().jobs, api.state.path.directory, rootSessionID()),
  );
}

export function findJob(
  { source }: { source: Pick<Source, "snapshot"> },
  id: string,
): ShownJob | undefined {
  return source.snapshot().jobs.find(({ job }) => job.id === id);
}

/** The same as a signal; of a job that is not known any more its last state. */
export function followJob(context: ViewContext, id: string): Accessor<ShownJob | undefined> {
  return createMemo<ShownJob | undefined>((before) => findJob(context, id) ?? before);
}

/**
 * The time as a signal that moves only while a view needs it. `next` says in how many milliseconds the display is
 * another one, undefined: never; it is asked again whenever what it reads changes. The answer is never behind the
 * newest data.
 */
export function createTicker(
  { clock, source }: Pick<ViewContext, "clock" | "source">,
  next: (now: number) => number | undefined,
): Accessor<number> {
  const [ticked, setTicked] = createSignal(clock.now());
  const now = createMemo(() => Math.max(ticked(), source.snapshot().at));
  createEffect(() => {
    const wait = next(now());
    if (wait === undefined) return;
    const timer = clock.after(wait, () => setTicked(clock.now()));
    onCleanup(() => timer.cancel());
  });
  return now;
}

type Client = Pick<TuiPluginApi["client"], "tui">;

/**
 * Asks the OpenCode that works in a directory for what the terminal cannot do itself. It shows a toast when that fails;
 * rejects when it cannot be asked.
 */
export async function askOpenCode(
  client: Client,
  directory: string,
  request: UserRequest,
): Promise<void> {
  await client.tui.publish({ directory, body: requestEvent(request) }, { throwOnError: true });
}

/** Says that something went wrong. */
export function complain(ui: Pick<TuiPluginApi["ui"], "toast">, message: string): void {
  ui.toast({ title: "Background", message, variant: "error" });
}
