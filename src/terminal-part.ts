/**
 * Whether the configuration of OpenCode names us: the server part stands in `opencode.json`, the terminal part in
 * `tui.json`, in the places where OpenCode 1.18 looks. Where only the first does, jobs run unseen.
 */
import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { errorCode } from "./ports.js";
import { PACKAGE } from "./version.js";
import type { Workspace } from "./workspace.js";

export type Part = "server" | "terminal";

/** False only when every file that OpenCode would read was read. */
export function isConfigured(
  part: Part,
  directory: string,
  env: NodeJS.ProcessEnv = process.env,
): boolean {
  return placesOf(part, directory, env).some((file) => {
    try {
      return namesUs(readFileSync(file, "utf8"), dirname(file));
    } catch (thrown) {
      const code = errorCode(thrown);
      return code !== "ENOENT" && code !== "ENOTDIR";
    }
  });
}

/** With the first job: says once what is missing to see it, if that is so. */
export function tellWhenUnseen({ jobs, notices, directory, log }: Workspace): void {
  const stop = jobs.onChange(() => {
    stop();
    if (isConfigured("terminal", directory)) return;
    const message = `Background jobs are not shown here, the terminal part is missing: ${howToAdd()}`;
    log("warn", message);
    notices.toast(message, "warning");
  });
}

/** What to do about a missing terminal part. */
export function howToAdd(env: NodeJS.ProcessEnv = process.env): string {
  return `run "opencode plugin ${PACKAGE}", or add "plugin": ["${PACKAGE}"] to ${join(configFolder(env), "tui.json")}`;
}

const FILES = {
  server: { name: "opencode", variable: "OPENCODE_CONFIG" },
  terminal: { name: "tui", variable: "OPENCODE_TUI_CONFIG" },
} as const;

function placesOf(part: Part, directory: string, env: NodeJS.ProcessEnv): string[] {
  const { name, variable } = FILES[part];
  const folders = [configFolder(env), env["OPENCODE_CONFIG_DIR"] ?? ""];
  if (!env["OPENCODE_DISABLE_PROJECT_CONFIG"]) {
    for (const each of upward(directory)) folders.push(each, join(each, ".opencode"));
  }
  folders.push(join(env["HOME"] ?? homedir(), ".opencode"));
  const files = folders
    .filter((folder) => folder !== "")
    .flatMap((folder) => [join(folder, `${name}.json`), join(folder, `${name}.jsonc`)]);
  const given = env[variable];
  return given ? [...files, given] : files;
}

function configFolder(env: NodeJS.ProcessEnv): string {
  return join(env["XDG_CONFIG_HOME"] || join(env["HOME"] ?? homedir(), ".config"), "opencode");
}

function upward(directory: string): string[] {
  const above = dirname(directory);
  return above === directory ? [directory] : [directory, ...upward(above)];
}

/** By our name, or by the folder that we are in; what else the file says does not matter, nor whether it parses. */
function namesUs(text: string, folder: string): boolean {
  if (text.includes(PACKAGE)) return true;
  const own = ownFolder();
  return [...text.matchAll(/"((?:[^"\\]|\\.)*)"/gu)].some(([, word = ""]) => {
    const path = word.startsWith("file:") ? pathOfUrl(word) : resolve(folder, word);
    return path === own || path.startsWith(own + sep);
  });
}

function pathOfUrl(url: string): string {
  try {
    return fileURLToPath(url);
  } catch {
    // No address of a file of this machine.
    return "";
  }
}

/** The folder of our package.json, wherever this module was built to. */
function ownFolder(): string {
  const start = dirname(fileURLToPath(import.meta.url));
  return upward(start).find((folder) => existsSync(join(folder, "package.json"))) ?? start;
}
