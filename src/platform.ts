/**
 * What an operating system does differently, as far as we have to. The one place that knows them by name: modules
 * that depend on one of these ways ask for it here, and tests ask for those of another system.
 */
export interface Ways {
  /** Where processes are looked up. */
  processes: "/proc" | "ps" | "cim";
  /** A signal reaches a whole process group; else `taskkill` ends a tree. */
  hasProcessGroups: boolean;
  /** Commands and our own script are given to a shell by `-c`; else to `cmd.exe`. */
  hasPosixShell: boolean;
  /** Shells for a user without a usable one of his own, the best first; `/bin/sh` if none of them is there. */
  shells: readonly string[];
  /** The program `rm` is also found as `RM`. */
  foldsCase: boolean;
  /** A file that a process has open cannot be replaced until it is closed. */
  locksOpenFiles: boolean;
  /** Every browser leads names below `localhost` to this machine; Safari does not before macOS 26. */
  hasLocalNames: boolean;
}

const BASH = ["/bin/bash", "/usr/bin/bash", "/usr/local/bin/bash"];

const LINUX: Ways = {
  processes: "/proc",
  hasProcessGroups: true,
  hasPosixShell: true,
  shells: BASH,
  foldsCase: false,
  locksOpenFiles: false,
  hasLocalNames: true,
};
const OTHER_UNIX: Ways = { ...LINUX, processes: "ps" };
const MACOS: Ways = {
  ...OTHER_UNIX,
  shells: ["/bin/zsh", ...BASH],
  foldsCase: true,
  hasLocalNames: false,
};
const WINDOWS: Ways = {
  processes: "cim",
  hasProcessGroups: false,
  hasPosixShell: false,
  shells: [],
  foldsCase: true,
  locksOpenFiles: true,
  hasLocalNames: true,
};

const WAYS: Partial<Record<NodeJS.Platform, Ways>> = {
  linux: LINUX,
  android: LINUX,
  darwin: MACOS,
  win32: WINDOWS,
};

export function waysOf(platform: NodeJS.Platform = process.platform): Ways {
  return WAYS[platform] ?? OTHER_UNIX;
}
