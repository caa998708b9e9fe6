/** What the model reads of `bash` in the host's place; never longer than the host's own. */
import type { Options } from "../options.js";
import { elapsed } from "../text.js";

export function describeBash({ bashSeconds }: Pick<Options, "bashSeconds">): string {
  return `Runs a bash command in a new shell and answers with its output.

A command that takes longer than \`timeout\` (milliseconds), or than ${elapsed(bashSeconds * 1_000)} without one, is not ended: it goes on in the background, the answer gives its id and says that it still runs, and you are told when it ends. Never run it a second time, and never poll; \`timeout\` is only how long you want to wait. What should run on from the start (a dev server, a watcher) belongs to createBackgroundProcess, not to & or nohup.

- Files are read, written, edited and searched with the tools for that (Read, Write, Edit, Glob, Grep), not with cat, echo, sed, find or grep. What you have to say is said in your answer, not with echo.
- Paths with spaces stand in double quotes. Before something is created in a folder, make sure that the folder is there.
- Each command begins in the project's folder, or in \`workdir\`: use that instead of \`cd FOLDER && …\`.
- Independent commands are several calls in one message; commands that depend on each other are one call with &&. With ; the next one runs also after a failure.
- There is no terminal and no input: give flags such as --yes, and never start an editor, a pager or a prompt.
- Of a long output the end is answered and all of it is saved in a file that the answer names: do not cut it with head or tail, read the file with Grep, or Read with offset and limit.

Git and GitHub:
- Commit, amend, push or open a pull request only when asked to. Look at status, diff and log first; stage only what belongs to the change, and never secrets. The message says why, in the style of the log.
- Never change git's configuration, skip hooks, force-push or discard work that is not yours unless the user asks for exactly that. When a hook refuses a commit, mend the cause and make a new commit.
- For pull requests, issues and checks use gh; look at all commits since the base branch, and give the address of what you opened.`;
}
