/**
 * What the output benchmark compares with and runs in a process of its own, because its memory is part of the
 * result: `execa.ts MANNER COMMAND TARGET EXECA` prints one line of JSON.
 */
import { z } from "zod";
import { memoryGrowth, shellPath, timed } from "../process-support.js";

/** The part of execa that is used here: it is installed for the benchmark only. */
const execaModule = z.object({
  execa: z.custom<
    (file: string, args: string[], options: Record<string, unknown>) => Promise<unknown>
  >((value) => typeof value === "function"),
});

const [manner = "", command = "", target = "", module = ""] = process.argv.slice(2);
const { execa } = execaModule.parse(await import(module));
const options = manner === "file" ? { stdout: { file: target }, buffer: false } : {};
let end = "complete";
let milliseconds = 0;
const megabytes = await memoryGrowth(async () => {
  milliseconds = await timed(async () => {
    try {
      await execa(shellPath, ["-c", command], options);
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      end = error.message.split("\n")[0] ?? "failed";
    }
  });
});
console.log(JSON.stringify({ milliseconds, megabytes, end }));
