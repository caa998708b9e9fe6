/** The server entry: one default export, because the host's loaders call every function that they find. */
import { setup } from "./host/opencode.js";
import { server } from "./plugin.js";

export default { id: "opencode-background-manager", server, setup };
