/** A package of another author as its users install it, for a comparison in the same run. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";

const manifest = z.object({ main: z.string() });

export interface Published {
  /** What is imported by its name. */
  entry: string;
  /** Why it is without its dependencies, which it may bring itself. */
  bare?: string;
  remove: () => void;
}

/**
 * In a new folder, with its dependencies but without their scripts; alone where the registry does not have all of
 * them. Throws when it does not have the package itself.
 */
export function fetchPublished(name: string): Published {
  const folder = mkdtempSync(join(tmpdir(), "published-"));
  const remove = () => rmSync(folder, { recursive: true });
  const npm = (...args: string[]) =>
    execFileSync("npm", [...args, "--loglevel=error"], { cwd: folder, stdio: "pipe" });
  try {
    npm("pack", name);
    for (const file of readdirSync(folder)) execFileSync("tar", ["-xzf", file], { cwd: folder });
    const alone = join(folder, "package");
    const { main } = manifest.parse(JSON.parse(readFileSync(join(alone, "package.json"), "utf8")));
    const quiet = ["--ignore-scripts", "--no-audit", "--no-fund"];
    try {
      npm("install", "--prefix", join(folder, "installed"), ...quiet, name);
    } catch (thrown) {
      const [bare = String(thrown)] = /No matching version .*/u.exec(String(thrown)) ?? [];
      return { entry: join(alone, main), bare, remove };
    }
    return { entry: join(folder, "installed/node_modules", name, main), remove };
  } catch (thrown) {
    remove();
    throw thrown;
  }
}
