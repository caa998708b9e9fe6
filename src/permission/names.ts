// The names under which a rule may know a command. Promises: a program reached by a path from
// outside of the project also goes by its plain name, so that `/bin/rm` is `rm` to a rule.

import { waysOf } from "../platform.js";

export function baseName(name: string): string {
  return name.slice(name.lastIndexOf("/") + 1).replace(/\.exe$/i, "");
}

/** A script of the project (`./build.sh`) is known by its path only. */
export function commandNames(name: string, platform?: NodeJS.Platform): string[] {
  const names = [name];
  if (/^(?:[/~]|\.\.\/)|\/\.\.\//.test(name)) names.push(baseName(name));
  if (waysOf(platform).foldsCase) names.push(...names.map((it) => it.toLowerCase()));
  return [...new Set(names)].filter((it) => it !== "");
}
