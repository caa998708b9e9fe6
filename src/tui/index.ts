/** The terminal part's entry, a module of its own: the host takes its default export and nothing else. */
import type { TuiPluginModule } from "@opencode-ai/plugin/tui";
import { setUp } from "./plugin.js";

const plugin: TuiPluginModule & { id: string } = {
  id: "opencode-background-manager",
  tui: async (api, options) => setUp(api, options),
};

export default plugin;
