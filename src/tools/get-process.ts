/** getBackgroundProcess: the state of one process and a part of its output. */
import {
  aliased,
  optionalChoice,
  optionalCursor,
  optionalInteger,
  optionalText,
  processId,
} from "./fields.js";
import { answering, defineTool, enter, listeningToUser, type Ready } from "./define.js";
import { describeJob, describeRun } from "./describe-job.js";
import { earlierRun } from "../process/outputs.js";
import type { ProcessJob } from "../jobs/job.js";
import type { ScreenText } from "../output/screen.js";
import type { ReadResult } from "../output/types.js";
import { oneLine, quoteLines } from "../text.js";
import { isTerminal } from "../jobs/status.js";

/** Who asks for more lines than this gets more bytes than the usual 16,000, too: as many as the host shows. */
const USUAL_LINES = 100;
const MOST_BYTES = 40_000;
const MODES = ["tail", "head", "grep", "full", "screen"] as const;

export function getBackgroundProcess(ready: Ready) {
  return defineTool({
    description: "State and output.",
    fields: {
      processId: processId(),
      mode: optionalChoice(MODES, "Default tail"),
      lines: optionalInteger(1, 2_000, "Default 100"),
      pattern: optionalText(512, "Regex for grep"),
      cursor: optionalCursor("Only what is new"),
      wait: aliased(optionalInteger(0, 600), "waitSeconds"),
      run: optionalInteger(1, 1_000_000, "Earlier run"),
    },
    refused: { timeout: "wait (seconds)", timeoutMs: "wait (seconds)", waitMs: "wait (seconds)" },
    async run({ processId: named, mode, wait = 0, ...request }, context) {
      const { sessionID, abort } = context;
      const workspace = await ready(sessionID);
      const { processes, clock } = workspace;
      const maxBytes = (request.lines ?? USUAL_LINES) > USUAL_LINES ? MOST_BYTES : undefined;
      return listeningToUser(workspace, sessionID, async (userWrites) => {
        const access = await enter(workspace, context, "getBackgroundProcess");
        await access.allowReading(named, sessionID);
        const { id } = access.process(named);
        return answering(workspace, context, [id], async (tells) => {
          const stopped = AbortSignal.any([abort, userWrites]);
          if (wait > 0) await processes.wait(id, wait * 1_000, stopped);
          const printed =
            mode === "screen"
              ? screenText(await processes.screen(id))
              : await processes.read(id, { ...request, mode, quoted: true, maxBytes });
          // The end may have come while it was read: what is said is the newest state.
          const job = access.process(id);
          const text =
            typeof printed === "string" ? printed : outputText(printed, job, request.run);
          if (isTerminal(job.status)) tells([id]);
          return `${describeJob(job, clock.now())}\n${text}`;
        });
      });
    },
  });
}

/** `wanted`: the number of an earlier run, which is described in a line of its own. */
function outputText(output: ReadResult, job: ProcessJob, wanted: number | undefined): string {
  const run = earlierRun(job, wanted);
  const hasEnded = run !== undefined || isTerminal(job.status);
  const none = hasEnded ? "(no output)" : "(no output yet)";
  const text = (run ?? job).output.bytes > 0 ? output.text || "(nothing new)" : none;
  // What the text ends with says how to go on where something was left out.
  const next =
    hasEnded || output.more ? "" : `\n(what comes after this: cursor "${output.cursor}")`;
  return `${run ? `${describeRun(run)}\n` : ""}${text}${next}`;
}

function screenText({ lines, cursor, title }: ScreenText): string {
  const about = `screen of 120×40, cursor at line ${cursor.row + 1}, column ${cursor.column + 1}`;
  const named = title ? `${about}, title ${JSON.stringify(oneLine(title, 100))}` : about;
  return [`${named}:`, ...quoteLines(lines.join("\n"))].join("\n");
}
