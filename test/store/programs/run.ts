/** Starts one of the programs beside this file as a process of its own and reads its lines. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

export function start(program: "writer" | "claimer", args: readonly string[] = []) {
  const path = fileURLToPath(new URL(`./${program}.ts`, import.meta.url));
  const child = spawn(process.execPath, ["--import", "tsx", path, ...args], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const exited = once(child, "exit");
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    child,
    /** The next line, or undefined after the last. */
    async line(): Promise<string | undefined> {
      const next = await lines.next();
      return next.done === true ? undefined : next.value;
    },
    tell: (text: string) => void child.stdin.write(`${text}\n`),
    async kill(): Promise<void> {
      child.kill("SIGKILL");
      await exited;
    },
    exited,
  };
}
