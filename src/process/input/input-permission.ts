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

export interface InputLine {
  text: string;
  isComplete: boolean;
  isEdited: boolean;
}

export interface InputQuestion extends CommandQuestion {
  readonly lines: readonly InputLine[];
  /** What the question before has returned; the lines may go on with it. */
  readonly context: string;
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
  for (const { text, isComplete, isEdited } of question.lines) {
    if (context === "" && text.trim() === "") continue;
    const command = context + text;
    if (isEdited) await askOpaque({ ...question, command }, "keys that edit a line");
    else if (!isComplete) await askOpaque({ ...question, command }, "a line without its end");
    else await askForCommand({ ...question, command });
    if (isComplete) context = mayGoOn(command) ? `${command}\n` : "";
  }
  return context;
}

/**
 * Whether a line may be the beginning of more: quotes, brackets, words that open a block, an operator or a backslash at
 * its end. So may one that changes the folder in which the next ones are. What surely is whole is neither.
 */
function mayGoOn(text: string): boolean {
  if (/\\$|[|&]\s*$|<<|[(){}]/u.test(text)) return true;
  if (/\b(?:if|for|while|until|case|select|function|do|then|cd|pushd|popd)\b/u.test(text))
    return true;
  return /['"`]/u.test(text.replaceAll(/'[^']*'|"[^"\\`$]*"/gu, ""));
}

/** Programs that run commands which they read, alone or somewhere else. */
const SHELLS =
  "bash sh zsh dash ash ksh mksh rbash fish csh tcsh nu elvish xonsh osh pwsh powershell cmd " +
  "ssh mosh telnet su sudo doas login docker podman nerdctl kubectl oc lxc incus vagrant multipass wsl " +
  "screen tmux script expect nix-shell nix poetry pipenv chroot nsenter unshare systemd-run machinectl " +
  "busybox toybox env shell console";
const SHELL = new RegExp(
  `(?:^|[^\\w.-])(?:${SHELLS.split(" ").join("|")})(?:\\.exe)?(?![\\w.-])`,
  "iu",
);

/** By any word of the command: what is no shell and looks like one is asked more than it needs. */
export function startsShell(command: string): boolean {
  return SHELL.test(command.replaceAll(/\\\n|[\\'"]/gu, ""));
}
