/** writeBackgroundProcess: types into a running process, by the rules of its caller, and answers what it printed. */
import { Access } from "./access.js";
import {
  aliased,
  optionalFlag,
  optionalInput,
  optionalInteger,
  optionalNames,
  optionalText,
  processId,
} from "./fields.js";
import { answering, asker, defineTool, type Ready } from "./define.js";
import { describeJob } from "./describe-job.js";
import { isTerminal } from "../jobs/status.js";
import type { ReadResult } from "../output/types.js";

const UNSENT = '(no Enter was sent: end text with \\n, or give keys ["Enter"])';

export function writeBackgroundProcess(ready: Ready) {
  return defineTool({
    description:
      "Write to a process with stdin open or terminal (\\n sends a line); answers what it prints.",
    fields: {
      processId: processId(),
      text: aliased(optionalInput(), "input", "data"),
      keys: aliased(optionalNames("After text: Enter, C-c, Up, F1 …"), "key"),
      end: optionalFlag("Close stdin"),
      waitPattern: optionalText(512, "Until this regex matches"),
      waitSeconds: optionalInteger(0, 600, "Default 2"),
    },
    async run({ processId: named, ...request }, context) {
      const { sessionID, abort } = context;
      const workspace = await ready(sessionID);
      const access = await Access.of(workspace, sessionID);
      const { id, command, cwd } = access.process(named);
      const question = { tool: "writeBackgroundProcess", pattern: command, onlyWhereNamed: true };
      await workspace.permission.askForTool(context, question);
      return answering(workspace, context, [id], async (tells) => {
        const { job, output, matched } = await workspace.processes.write(id, {
          ...request,
          quoted: true,
          signal: abort,
          allow: (typed) =>
            workspace.permission.askForInput({ ...asker(context), command, cwd, ...typed }),
        });
        const hasEnded = isTerminal(job.status);
        if (hasEnded) tells([id]);
        const answer = [describeJob(job, workspace.clock.now())];
        if (matched === false) {
          answer.push(hasEnded ? "It ended before a line matched." : "No line has matched yet.");
        }
        answer.push(output.text || "(no output since)");
        if (!hasEnded && matched !== true && isUnsent(request, output)) answer.push(UNSENT);
        if (!hasEnded && !output.more)
          answer.push(`(what comes after this: cursor "${output.cursor}")`);
        return answer.join("\n");
      });
    },
  });
}

/** A line was begun, and at most its echo came back. */
function isUnsent(
  { text = "", keys, end }: { text?: string; keys?: readonly string[]; end?: boolean },
  { lines }: ReadResult,
): boolean {
  if (text === "" || keys !== undefined || end === true || /[\r\n]$/u.test(text)) return false;
  const last = text.split(/[\r\n]+/u).at(-1) ?? "";
  return lines.every((line) => line.text.trim() === "" || line.text.endsWith(last));
}
