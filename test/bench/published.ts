/** A package of somebody else as it is published, for a comparison in the same run. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/**
 * The unpacked folder, below a new folder in the system's temporary one, which the caller removes. Its
 * dependencies are left out. Throws when the registry does not have it.
 */
export function fetchPublished(name: string): string {
  const folder = mkdtempSync(join(tmpdir(), "published-"));
  execFileSync("npm", ["pack", name, "--pack-destination", folder], { stdio: "ignore" });
  for (const file of readdirSync(folder)) execFileSync("tar", ["-xzf", file], { cwd: folder });
  return join(folder, "package");
}
