/**
 * What is typed into a running process is asked as a command is: `COMMAND <<< INPUT` for each line, or, where the
 * command starts a shell, each line as the command that it is. Promises: no line is sent of which not all was asked;
 * what a shell's line will be is opaque when it is unfinished or was edited by keys.
 */
import { askForCommand, askOpaque, type CommandQuestion } from "../../permission/ask.js";
import { judgeCommand } from "../../permission/judge.js";
import { deniesAllCommands } from "../../host/rules.js";
import type { PermissionRule } from "../../host/host.js";
import { Opaque } from "../../permission/words.js";
import type { TypedInput } from "./input.js";
import type { TypedLine } from "./typed.js";

export interface InputQuestion extends CommandQuestion, Readonly<TypedInput> {
  readonly rules: () => Promise<readonly PermissionRule[]>;
}

/** Returns what lines that follow may go on with. Throws unless all of them are allowed. */
export async function askForInput(question: InputQuestion): Promise<string> {
  const { command, lines } = question;
  if (deniesAllCommands(await question.rules())) {
    throw new Error(
      "bash is denied here, and with it what is typed into processes; nothing was written",
    );
  }
  if (startsShell(command)) return askAsCommands(question);
  const asked = lines.map(({ text }) => text.trim() || "Enter");
  if (asked.length === 0) return "";
  try {
    const { patterns } = judgeCommand(command, question.shell);
    const metadata = { command, input: asked.join("\n") };
    const all = patterns.flatMap((pattern) => asked.map((text) => `${pattern} <<< ${text}`));
    const always = patterns
      .filter((pattern) => !/[*?]/u.test(pattern))
      .map((pattern) => `${pattern} <<< *`);
    await question.ask({ permission: "bash", patterns: all, always, metadata });
  } catch (error) {
    if (!(error instanceof Opaque)) throw error;
    for (const text of asked) {
      await askOpaque({ ...question, command: `${command} <<< ${text}` }, error.message);
    }
  }
  return "";
}

/** Lines are joined for as long as they may belong together. */
async function askAsCommands(question: InputQuestion): Promise<string> {
  let { context } = question;
  for (const line of question.lines) {
    if (context === "" && line.text.trim() === "") continue;
    const command = context + line.text;
    const opaque = oddIn(question, line, command);
    if (opaque === undefined) await askForCommand({ ...question, command, shell: "bash" });
    else await askOpaque({ ...question, command }, opaque);
    if (!line.isComplete) continue;
    const goesOn = opaque === undefined ? changesFolder(command) : mayGoOn(command);
    context = goesOn ? `${command}\n` : "";
  }
  return context;
}

/** What keeps this from being read as a command: not known is which shell takes it, only that it is interactive. */
function oddIn({ command: process, shell = "bash" }: InputQuestion, line: TypedLine, text: string) {
  if (line.isEdited) return "keys that edit a line, or more than a terminal takes at once";
  if (!line.isComplete) return "a line without its end";
  if (OTHER_SHELL.test(bare(process))) return "code for a shell that is not read";
  if (/!(?![\s=]|$)|^\^/mu.test(text)) return "! or ^, with which a shell repeats what was typed";
  const unquoted = text.includes("\\") ? text : withoutStrings(text);
  if (/(?:^|[\s;])#/u.test(unquoted)) return "a comment, which is a word to an interactive zsh";
  try {
    for (const each of [shell, "bash", "zsh", "sh"]) judgeCommand(text, each);
    return undefined;
  } catch (error) {
    if (!(error instanceof Opaque)) throw error;
    return error.message;
  }
}

/** Those in a folder that was changed to are asked with what changed to it. */
const changesFolder = (text: string) => /\b(?:cd|chdir|pushd|popd)\b/u.test(text);

/**
 * Whether what could not be read may be the beginning of more: quotes, brackets, words that open a block, an operator
 * or a backslash at its end.
 */
function mayGoOn(text: string): boolean {
  if (/\\$|[|&]\s*$|<<|[(){}]/u.test(text) || changesFolder(text)) return true;
  if (/\b(?:if|for|while|until|case|select|function|do|then)\b/u.test(text)) return true;
  return /['"`]/u.test(text.includes("\\") ? text : withoutStrings(text));
}

const withoutStrings = (text: string) => text.replaceAll(/'[^']*'|"[^"\\`$]*"/gu, "");

/** They read another language than the one that is judged. */
const OTHER_SHELLS = "fish csh tcsh nu elvish xonsh osh pwsh powershell cmd expect";
/** Programs that run commands which they read, alone or somewhere else. */
const SHELLS =
  `${OTHER_SHELLS} bash sh zsh dash ash ksh mksh lksh yash rbash busybox toybox env shell console ` +
  "ssh autossh sshpass mosh telnet su sudo doas login newgrp sg runuser pkexec run0 at batch parallel fakeroot " +
  "docker docker-compose podman podman-compose nerdctl kubectl oc lxc incus vagrant multipass wsl distrobox toolbox " +
  "screen tmux dtach abduco zellij byobu script nix-shell nix poetry pipenv chroot schroot nsenter unshare setarch " +
  "systemd-run systemd-nspawn machinectl linux32 linux64";
const wordOf = (names: string) =>
  new RegExp(
    `(?:^|[^\\w.-])(?:${names.split(" ").join("|")})(?:-?\\d[\\d.]*)?(?:\\.exe)?(?![\\w.-])`,
    "iu",
  );
const SHELL = wordOf(SHELLS);
const OTHER_SHELL = wordOf(OTHER_SHELLS);
const bare = (command: string) => command.replaceAll(/\\\n|[\\'"]/gu, "");

/** By any word of the command: what is no shell and looks like one is asked more than it needs. */
export function startsShell(command: string): boolean {
  return SHELL.test(bare(command));
}
