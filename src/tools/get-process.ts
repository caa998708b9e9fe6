/** getBackgroundProcess: the state of one process and a part of its output. */
import type { ToolContext } from "@opencode-ai/plugin";
import { Access } from "./access.js";
import { askForTool, defineTool, type Ready } from "./define.js";
import { describeJob, describeRun } from "./describe-job.js";
import { id, optionalChoice, optionalCursor, optionalInteger, optionalText } from "./fields.js";
import { earlierRun } from "../process/outputs.js";
import type { ScreenText } from "../output/screen.js";
import { oneLine, quoteLines } from "../text.js";
import { isTerminal } from "../jobs/status.js";
import type { Workspace } from "../workspace.js";

/** Who asks for more lines than this gets more bytes than the usual 16,000, too: as many as the host shows. */
const USUAL_LINES = 100;
const MOST_BYTES = 40_000;
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
      await askForTool(workspace, context, {
        tool: "getBackgroundProcess",
        pattern: "*",
        onlyWhereNamed: true,
      });
      const access = await Access.of(workspace, sessionID);
      await access.allowReading(processId, sessionID);
      const { id } = access.process(processId);
      const maxBytes = (request.lines ?? USUAL_LINES) > USUAL_LINES ? MOST_BYTES : undefined;
      const read = async (tells: (ids: string[]) => void): Promise<string> => {
        if (wait > 0) await untilEnded(workspace, id, wait, context);
        if (mode === "screen") {
          const screen = await workspace.processes.screen(id);
          return `${describeJob(access.process(id), workspace.clock.now())}\n${screenText(screen)}`;
        }
        const wanted = { ...request, mode, quoted: true, maxBytes };
        const output = await workspace.processes.read(id, wanted);
        // The end may have come while the output was read: what is said last is the newest state.
        const job = access.process(id);
        if (isTerminal(job.status) && !abort.aborted) tells([id]);
        const run = earlierRun(job, request.run);
        const line = describeJob(job, workspace.clock.now()) + (run ? `\n${describeRun(run)}` : "");
        const hasEnded = run !== undefined || isTerminal(job.status);
        const none = hasEnded ? "(no output)" : "(no output yet)";
        const text = (run ?? job).output.bytes > 0 ? output.text || "(nothing new)" : none;
        // What the text ends with says how to go on where something was left out.
        const next =
          hasEnded || output.more ? "" : `\n(what comes after this: cursor "${output.cursor}")`;
        return `${line}\n${text}${next}`;
      };
      return workspace.notices.answering([id], read, sessionID);
    },
  });
}

/** Or until the user stops the call or writes. */
async function untilEnded(
  { processes, tasks }: Workspace,
  id: string,
  seconds: number,
  { sessionID, abort }: Pick<ToolContext, "sessionID" | "abort">,
): Promise<void> {
  const written = tasks.untilUserWrites(sessionID);
  await processes.wait(id, seconds * 1_000, AbortSignal.any([abort, written.signal]));
  written.stop();
}

function screenText({ lines, cursor, title }: ScreenText): string {
  const about = `screen of 120×40, cursor at line ${cursor.row + 1}, column ${cursor.column + 1}`;
  const named = title ? `${about}, title ${JSON.stringify(oneLine(title, 100))}` : about;
  return [`${named}:`, ...quoteLines(lines.join("\n"))].join("\n");
}
