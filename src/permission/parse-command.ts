// A command line in, everything to ask about it out. Promises: each command that will run is a
// pattern of its own, whatever wraps it, or `hidden` says why that cannot be known; nothing is run.
import { readCode } from "./analyse.js";
import { createFindings } from "./findings.js";
import type { PathUse } from "./paths.js";
import { dialectOf } from "./shells.js";
import { loadShellParser, type ParseShell } from "./syntax.js";
import type { LocateWasm } from "./wasm.js";

export interface ParsedCommand {
  /** One per command, as written and as a rule would spell it. */
  readonly patterns: readonly string[];
  /** What an "always allow" answer may add as rules; empty when anything is hidden. */
  readonly always: readonly string[];
  /** Paths in the order of the text. */
  readonly paths: readonly PathUse[];
  /** Why not every command is known; empty for most. */
  readonly hidden: readonly string[];
  /** Variables that are a command of their own if they hold more than one word. */
  readonly split: readonly string[];
}

export interface CommandParser {
  /** `shell`: the program that will run the command; Bash when absent. */
  parseCommand: (command: string, shell?: string) => Promise<ParsedCommand>;
}

/** More than a process can be given as one argument. */
const MAX_LENGTH = 128 * 1024;

/** Loads the grammar at the first command; a failed load is tried again at the next one. */
export function createCommandParser(locate?: LocateWasm): CommandParser {
  let loading: Promise<ParseShell> | undefined;

  async function parser(): Promise<ParseShell> {
    loading ??= loadShellParser(locate);
    try {
      return await loading;
    } catch (error) {
      loading = undefined;
      throw error;
    }
  }

  return {
    async parseCommand(command, shell = "bash") {
      const dialect = dialectOf(shell);
      if (!dialect) return unread(command, `code for ${shell}, which is not read`);
      if (command.length > MAX_LENGTH) return unread(command, "more text than a shell takes");
      let parse: ParseShell;
      try {
        parse = await parser();
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        return unread(command, `the shell parser could not be loaded (${reason})`);
      }
      const findings = createFindings();
      readCode(command, { parse, dialect, depth: 0 }, findings);
      if ([...findings.run].some((file) => findings.written.has(file)))
        findings.hidden.add("a file that it writes and runs");
      if ([...findings.split].some((name) => findings.assigned.has(name)))
        findings.hidden.add("a variable that may be more than one word");
      // Something is always asked: a command without commands (`cd x`, `A=1`) as it is written.
      if (findings.patterns.size === 0) findings.patterns.add(command.trim());
      return {
        patterns: [...findings.patterns],
        always: findings.hidden.size === 0 ? [...findings.always] : [],
        paths: findings.paths,
        hidden: [...findings.hidden],
        split: [...findings.split],
      };
    },
  };
}

function unread(command: string, reason: string): ParsedCommand {
  return { patterns: [command], always: [], paths: [], hidden: [reason], split: [] };
}
