/**
 * What `completion` prints for a shell. Commands and options are in it; the jobs are asked of the program itself
 * (`ls --all --quiet`), so that they are those of this moment.
 */
import {
  aboutOf,
  COMMAND_NAMES,
  JOB_COMMANDS,
  optionsOf,
  PROGRAM,
  SHELLS,
  type CommandName,
  type ShellName,
} from "./arguments.js";

export function completion(shell: ShellName): string {
  return { bash, zsh, fish }[shell]();
}

const JOBS = `command ${PROGRAM} ls --all --quiet 2>/dev/null`;

function flagsOf(command: CommandName): string {
  const flags = optionsOf(command).flatMap(({ name, short }) =>
    short === undefined ? [`--${name}`] : [`-${short}`, `--${name}`],
  );
  return flags.join(" ");
}

function bash(): string {
  const cases = COMMAND_NAMES.map((name) => `    ${name}) words='${flagsOf(name)}' ;;`);
  return `_opencode_background_manager() {
  local word=\${COMP_WORDS[COMP_CWORD]} words
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W '${COMMAND_NAMES.join(" ")}' -- "$word"))
    return
  fi
  case \${COMP_WORDS[1]} in
${cases.join("\n")}
    *) return ;;
  esac
  if [ "\${word#-}" = "$word" ]; then
    case \${COMP_WORDS[1]} in
      ${JOB_COMMANDS.join("|")}) words=$(${JOBS}) ;;
      completion) words='${SHELLS.join(" ")}' ;;
    esac
  fi
  COMPREPLY=($(compgen -W "$words" -- "$word"))
}
complete -F _opencode_background_manager ${PROGRAM}
`;
}

function zsh(): string {
  const described = COMMAND_NAMES.map((name) => `    '${name}:${quoted(aboutOf(name))}'`);
  const cases = COMMAND_NAMES.map((name) => `    ${name}) offered=(${flagsOf(name)}) ;;`);
  return `_opencode_background_manager() {
  local command=$words[2]
  local -a subcommands offered
  subcommands=(
${described.join("\n")}
  )
  if (( CURRENT == 2 )); then
    _describe command subcommands
    return
  fi
  case $command in
${cases.join("\n")}
  esac
  if [[ $PREFIX != -* ]]; then
    case $command in
      ${JOB_COMMANDS.join("|")}) offered=(\${(f)"$(${JOBS})"}) ;;
      completion) offered=(${SHELLS.join(" ")}) ;;
    esac
  fi
  compadd -- $offered
}
compdef _opencode_background_manager ${PROGRAM}
`;
}

function fish(): string {
  const lines = [`complete -c ${PROGRAM} -f`];
  const add = (after: string, offer: string) =>
    lines.push(`complete -c ${PROGRAM} -n ${after} ${offer}`);
  for (const name of COMMAND_NAMES) {
    add("__fish_use_subcommand", `-a ${name} -d '${quoted(aboutOf(name))}'`);
    for (const { name: option, short, help } of optionsOf(name)) {
      const flag = short === undefined ? "" : `-s ${short} `;
      add(`'__fish_seen_subcommand_from ${name}'`, `${flag}-l ${option} -d '${quoted(help)}'`);
    }
  }
  add(`'__fish_seen_subcommand_from ${JOB_COMMANDS.join(" ")}'`, `-a '(${JOBS})'`);
  add("'__fish_seen_subcommand_from completion'", `-a '${SHELLS.join(" ")}'`);
  return `${lines.join("\n")}\n`;
}

function quoted(text: string): string {
  return text.replaceAll("'", "").replaceAll(":", ",");
}
