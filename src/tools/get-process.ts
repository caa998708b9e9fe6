/** getBackgroundProcess: the state of one process and a part of its output. */
import { Access } from "./access.js";
import { askForTool, defineTool, type Ready } from "./define.js";
import { bytesAfter, describeJob, describeRun } from "./describe-job.js";
import { id, optionalChoice, optionalCursor, optionalInteger, optionalText } from "./fields.js";
import { earlierRun } from "../process/manager.js";
import type { ScreenText } from "../output/screen.js";
import { oneLine, quoteLines } from "../text.js";
import { isTerminal } from "../jobs/status.js";

const MODES = ["tail", "head", "grep", "full", "screen"] as const;

export function getBackgroundProcess(ready: Ready) {
  return defineTool({
    description: "State and output.",
    fields: {
      processId: id("proc", { aliases: ["id"] }),
      mode: optionalChoice(MODES, { about: "Default tail" }),
      lines: optionalInteger(1, 2_000, { about: "Default 100" }),
      pattern: optionalText(512, { about: "Regex for grep" }),
      cursor: optionalCursor("Only what is new"),
      wait: optionalInteger(0, 600, { aliases: ["waitSeconds"] }),
      run: optionalInteger(1, 1_000_000, { about: "Earlier run" }),
    },
    refused: { timeout: "wait (seconds)", timeoutMs: "wait (seconds)", waitMs: "wait (seconds)" },
    async run({ processId, mode, wait = 0, ...request }, context) {
      const { sessionID, abort } = context;
      const workspace = await ready(sessionID);
      // What the user writes while the rest is looked up ends the wait as well.
      const written = workspace.tasks.untilUserWrites(sessionID);
      try {
        return await look(AbortSignal.any([abort, written.signal]));
      } finally {
        written.stop();
      }

      async function look(endsWait: AbortSignal): Promise<string> {
        await askForTool(workspace, context, {
          tool: "getBackgroundProcess",
          pattern: "*",
          onlyWhereNamed: true,
        });
        const access = await Access.of(workspace, sessionID);
        await access.allowReading(processId, sessionID);
        const before = access.process(processId);
        const { id } = before;
        const maxBytes = bytesAfter(describeJob(before, workspace.clock.now()));
        const read = async (tells: (ids: string[]) => void): Promise<string> => {
          if (wait > 0) await workspace.processes.wait(id, wait * 1_000, endsWait);
          if (mode === "screen") {
            const screen = await workspace.processes.screen(id);
            return `${describeJob(access.process(processId), workspace.clock.now())}\n${screenText(screen)}`;
          }
          const wanted = { ...request, mode, quoted: true, maxBytes };
          const output = await workspace.processes.read(id, wanted);
          // The end may have come while the output was read: what is said last is the newest state.
          const job = access.process(processId);
          if (isTerminal(job.status) && !abort.aborted) tells([id]);
          const run = earlierRun(job, request.run);
          const line =
            describeJob(job, workspace.clock.now()) + (run ? `\n${describeRun(run)}` : "");
          const text =
            output.text || (run || isTerminal(job.status) ? "(no output)" : "(no output yet)");
          // What the text ends with says how to go on where something was left out.
          const next =
            run || isTerminal(job.status) || output.more || text.includes(output.cursor)
              ? ""
              : `\n(what comes after this: cursor "${output.cursor}")`;
          return `${line}\n${text}${next}`;
        };
        return workspace.notices.answering([id], read, sessionID);
      }
    },
  });
}

function screenText({ lines, cursor, title }: ScreenText): string {
  const about = `screen of 120×40, cursor at line ${cursor.row + 1}, column ${cursor.column + 1}`;
  const named = title ? `${about}, title ${JSON.stringify(oneLine(title, 100))}` : about;
  return [`${named}:`, ...quoteLines(lines.join("\n"))].join("\n");
}
