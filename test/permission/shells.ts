/** Runs a command in a real shell where nothing but markers is on PATH, and says which of them ran. */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { chmod, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { it } from "node:test";

const ALL_SHELLS = ["/bin/bash", "/bin/dash", "/bin/zsh"];
export const SHELLS = ALL_SHELLS.filter((shell) => existsSync(shell));

/** Call it in a describe block: what this machine cannot try is named as skipped. */
export function skipMissingShells(): void {
  for (const shell of ALL_SHELLS) {
    if (!SHELLS.includes(shell)) void it(shell, { skip: `${shell} is not installed` });
  }
}

const TIME_LIMIT_MS = 3000;
/** Of a user of their own where the tests run as root, whom no limit would hold. */
const USER = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};
const LIMITS =
  process.platform === "linux"
    ? ["/usr/bin/prlimit", "--nproc=200", "--cpu=2", "--fsize=1000000"]
    : [];

export class ShellBed {
  #root = "";
  #runs = 0;
  readonly #markers: readonly string[];

  constructor(markers: readonly string[]) {
    this.#markers = markers;
  }

  async open(): Promise<void> {
    this.#root = await mkdtemp(join(tmpdir(), "shells-"));
    await chmod(this.#root, 0o755);
    await mkdir(join(this.#root, "bin"));
    for (const name of this.#markers)
      await writeFile(join(this.#root, "bin", name), `#!/bin/sh\n: > "$MARKS/${name}"\n`, {
        mode: 0o755,
      });
    // What attacks are made of besides the shells' own commands.
    for (const name of ["env", "bash", "dash", "zsh", "sh", "cat", "cp", "ln", "mv", "xargs"])
      await symlink(
        name === "xargs" ? "/usr/bin/xargs" : `/bin/${name}`,
        join(this.#root, "bin", name),
      );
  }

  close(): Promise<void> {
    return rm(this.#root, { recursive: true, force: true });
  }

  get bin(): string {
    return join(this.#root, "bin");
  }

  /** The markers that ran, by name. */
  async run(command: string, shell: string, env: Record<string, string> = {}): Promise<string[]> {
    const work = join(this.#root, `work-${this.#runs++}`);
    const marks = `${work}-marks`;
    for (const folder of [work, marks]) {
      await mkdir(folder);
      await chmod(folder, 0o777);
    }
    const [file, ...args] = [
      ...LIMITS,
      shell,
      ...(shell.endsWith("zsh") ? ["-f"] : []),
      "-c",
      command,
    ];
    const child = spawn(file, args, {
      cwd: work,
      stdio: "ignore",
      detached: true,
      ...USER,
      env: { PATH: this.bin, MARKS: marks, HOME: work, ...env },
    });
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => endGroup(child.pid), TIME_LIMIT_MS);
      child.on("error", reject);
      child.on("exit", () => {
        clearTimeout(timer);
        resolve();
      });
    });
    // A marker in the background may still be at it.
    for (let looks = 0; looks < 50 && groupLives(child.pid); looks++)
      await new Promise((done) => setTimeout(done, 10));
    endGroup(child.pid);
    const ran = await readdir(marks);
    await rm(work, { recursive: true, force: true });
    await rm(marks, { recursive: true, force: true });
    return ran.filter((name) => this.#markers.includes(name));
  }
}

function groupLives(pid: number | undefined): boolean {
  if (pid === undefined) return false;
  try {
    process.kill(-pid, 0);
    return true;
  } catch {
    return false;
  }
}

function endGroup(pid: number | undefined): void {
  if (!groupLives(pid) || pid === undefined) return;
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // It ended by itself in between.
  }
}
