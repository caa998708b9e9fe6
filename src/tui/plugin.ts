/** Puts the parts into the terminal: the sidebar section, the list with its command and key, the log, the calls. */
import type { TuiPluginApi } from "@opencode-ai/plugin/tui";
import { coerceError, systemClock, type Clock } from "../ports.js";
import { callsFor, farewell } from "./attention.js";
import { badge, bottomBadge } from "./badge.js";
import { askOpenCode, complain, parseTuiOptions, type ViewContext } from "./context.js";
import { openJobs } from "./jobs/jobs-dialog.js";
import { LOG_ROUTE, logView } from "./log/log-view.js";
import type { ShownJob } from "./describe.js";
import { sidebar } from "./sidebar.js";
import { createSource, findOrigin } from "./source.js";

/** No `keybinds` entry: OpenCode knows only its own commands there, so the key is an option of ours. */
const OPEN_JOBS = "background.jobs";

/** Below the lists of servers, above to-dos and changed files. */
const SIDEBAR_ORDER = 350;

export function setUp(
  api: TuiPluginApi,
  rawOptions: Readonly<Record<string, unknown>> | undefined,
  clock: Clock = systemClock,
): void {
  const { options, problems } = parseTuiOptions(rawOptions);
  // The host shows one toast at a time.
  if (problems.length > 0) {
    api.ui.toast({ title: "Background", message: problems.join("\n"), variant: "warning" });
  }

  const source = createSource({
    findOrigin: () => findOrigin(api),
    clock,
    onChange: (before, after) => {
      if (options.attention) callUser(api, before, after);
    },
  });
  const context: ViewContext = { api, source, options, clock };
  api.lifecycle.onDispose(() => {
    source.close();
    // Also when parts are loaded anew, while the screen goes on.
    const words = api.renderer.isDestroyed && farewell(source.snapshot().jobs, process.pid);
    if (words) process.stderr.write(`${words}\n`);
  });
  source.refresh();
  // A server that was gone may have left jobs that say they run.
  api.event.on("server.connected", () => source.refresh());

  api.slots.register({
    order: SIDEBAR_ORDER,
    slots: {
      sidebar_content: (_, props) => sidebar(context, () => props.session_id),
      session_prompt_right: (_, props) => badge(context, () => props.session_id),
      // The home screen's footer is the host's own: who takes that slot replaces it.
      home_prompt_right: () => badge(context),
      app_bottom: () => bottomBadge(context),
    },
  });
  api.route.register([{ name: LOG_ROUTE, render: ({ params }) => logRoute(context, params) }]);
  // The command must be found while the prompt's completion is open, which is a mode of its own; the key must not.
  const command = (name: string, slashName: string, title: string, desc: string, run: () => void) =>
    ({ name, title, desc, category: "Session", namespace: "palette", slashName, run }) as const;
  api.keymap.registerLayer({
    commands: [
      command(
        OPEN_JOBS,
        "background",
        "Background jobs",
        "See, read and stop background work",
        () => openJobs(context),
      ),
      command(
        "background.page",
        "jobs-page",
        "Page of background jobs",
        "Open it in the browser",
        () => openPage(api),
      ),
    ],
  });
  if (options.key !== false) {
    const bindings = [{ key: options.key, cmd: OPEN_JOBS, desc: "Background jobs" }];
    api.keymap.registerLayer({ mode: "base", bindings });
  }
}

/** The OpenCode that the terminal shows serves and opens it, and says so in a toast. */
function openPage({ client, state, ui }: TuiPluginApi): void {
  askOpenCode(client, state.path.directory, { act: "page" }).catch((thrown: unknown) =>
    complain(ui, coerceError(thrown).message),
  );
}

function logRoute(context: ViewContext, params: Readonly<Record<string, unknown>> | undefined) {
  const { api } = context;
  const jobID = typeof params?.["jobID"] === "string" ? params["jobID"] : "";
  const [name, back] = placeOf(params?.["from"]);
  return logView(context, jobID, () => api.route.navigate(name, back));
}

/** A place in the terminal as it was kept in a route's parameters. */
function placeOf(from: unknown): [name: string, params?: Record<string, unknown>] {
  if (typeof from !== "object" || from === null || !("name" in from)) return ["home"];
  if (typeof from.name !== "string" || from.name === LOG_ROUTE) return ["home"];
  const params: unknown = "params" in from ? from.params : undefined;
  return typeof params === "object" && params !== null ? [from.name, { ...params }] : [from.name];
}

function callUser(
  api: TuiPluginApi,
  before: readonly ShownJob[],
  after: readonly ShownJob[],
): void {
  const { directory } = api.state.path;
  const ours = after.filter((shown) => shown.directory === directory);
  for (const { message, sound } of callsFor(before, ours)) {
    void api.attention.notify({
      title: "OpenCode: background",
      message,
      notification: { when: "blurred" },
      sound: sound === undefined ? false : { name: sound, when: "always" },
    });
  }
}
