/** The keys of the log view. They hold while it is on the screen and no dialog lies over it. */
import type { TuiPluginApi } from "@opencode-ai/plugin/tui";
import { createEffect, onCleanup } from "solid-js";
import type { LogPosition } from "./log-position.js";

const SEARCH_MODE = "background.search";

export function registerLogKeys(api: TuiPluginApi, position: LogPosition, leave: () => void): void {
  const binding = (key: string, desc: string, run: () => void) => ({
    key,
    desc,
    group: "Background log",
    cmd: () => {
      run();
      return true;
    },
  });
  onCleanup(
    api.keymap.registerLayer({
      mode: "base",
      bindings: [
        binding("escape,q", "Leave the log", leave),
        binding("up,k", "Scroll up", () => position.move(-1)),
        binding("down,j", "Scroll down", () => position.move(1)),
        binding("pageup,b", "Page up", () => position.page(-1)),
        binding("pagedown,space", "Page down", () => position.page(1)),
        binding("left", "Shift left", () => position.shift(-8)),
        binding("right", "Shift right", () => position.shift(8)),
        binding("home,g", "To the start", () => position.start()),
        binding("end,shift+g", "To the end, and follow", () => position.end()),
        binding("f", "Follow on or off", () => position.toggleFollow()),
        binding("w", "Wrap on or off", () => position.toggleWrap()),
        binding("t", "Times on or off", () => position.toggleLabel("time")),
        binding("s", "Source on or off", () => position.toggleLabel("stream")),
        binding("/", "Search", () => position.openSearch()),
        binding("n", "Next match", () => position.next("forward")),
        binding("shift+n", "Previous match", () => position.next("backward")),
      ],
    }),
  );
  onCleanup(
    api.keymap.registerLayer({
      mode: SEARCH_MODE,
      bindings: [binding("escape", "Leave the search", () => position.closeSearch())],
    }),
  );
  // While text is typed, letters are letters.
  createEffect(() => {
    if (position.searching()) onCleanup(api.mode.push(SEARCH_MODE));
  });
}
