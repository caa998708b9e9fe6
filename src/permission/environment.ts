// The variables that decide which program runs or which code it loads. Promises: a name that is not
// a plain variable name counts as dangerous (an exported shell function is such a one).
import type { Dialect } from "./doubts.js";

const EXACT = new Set(
  (
    "PATH IFS CDPATH HOME SHELL ENV BASH_ENV BASH_CMDS BASH_ALIASES SHELLOPTS BASHOPTS PROMPT_COMMAND PS0 PS1 PS2 PS3 PS4 ZDOTDIR " +
    "FPATH MODULE_PATH BASH_LOADABLES_PATH XDG_CONFIG_HOME GCONV_PATH OPENSSL_CONF OPENSSL_MODULES " +
    "NODE_OPTIONS NODE_PATH BUN_OPTIONS PYTHONPATH PYTHONHOME PYTHONSTARTUP PYTHONINSPECT PYTHONBREAKPOINT " +
    "PERL5LIB PERL5OPT PERL5DB PERLLIB RUBYOPT RUBYLIB JAVA_TOOL_OPTIONS _JAVA_OPTIONS JDK_JAVA_OPTIONS " +
    "CLASSPATH PAGER MANPAGER EDITOR VISUAL BROWSER LESSOPEN LESSCLOSE SSH_ASKPASS SUDO_ASKPASS SUDO_EDITOR " +
    "RSYNC_RSH CVS_RSH SVN_SSH TAR_OPTIONS MAKEFLAGS MAKEFILES GNUMAKEFLAGS RUSTC_WRAPPER " +
    "RUSTC_WORKSPACE_WRAPPER GOFLAGS EXINIT VIMINIT COMSPEC PATHEXT OLDPWD"
  ).split(" "),
);

// The loader's, git's, the package managers' and cargo's variables are too many to name.
const PREFIXES = /^(?:LD_|DYLD_|GIT_|NPM_CONFIG_|PNPM_|YARN_|BASH_FUNC_|CARGO_)/i;
// In zsh these are the shell's own tables. Bash's are BASH_CMDS and BASH_ALIASES; here the names are a user's.
const ZSH_TABLES = /^(?:(?:dis_)?(?:functions|[gs]?aliases)|commands|options)$/;
const NAME = /^[A-Za-z_]\w*$/;

/** `dialect`: of the shell that sets it; a shell that is not known to be Bash may be zsh. */
export function isDangerousVariable(name: string, dialect: Dialect = "bash"): boolean {
  if (dialect !== "bash" && ZSH_TABLES.test(name)) return true;
  return !NAME.test(name) || EXACT.has(name.toUpperCase()) || PREFIXES.test(name);
}

/** Text that the shell runs when it evaluates the variable as a number, a subscript or a prompt. */
export function carriesCode(value: string): boolean {
  return /[$<>]\(|`|\$\{[\s|]/.test(value);
}
