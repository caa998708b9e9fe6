/**
 * Runs every benchmark of this folder, one after the other, prints one table of what they found and writes it to
 * RESULTS.md with the machine and the versions. A benchmark is a file that ends with `result(…)`. With a part of a
 * name only those are run, and with `--write` their rows of RESULTS.md are replaced.
 *
 * Run: npm run bench [-- part of a name [--write]]
 */
import { execFileSync, spawn } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus, release, totalmem, type } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { OPENCODE_BINARY, OPENCODE_VERSION, PACKAGE_ROOT } from "../../fixtures/host/index.js";
import type { Result } from "./result.js";

const FOLDER = fileURLToPath(new URL(".", import.meta.url));
const RESULTS = join(FOLDER, "RESULTS.md");

const row: z.ZodType<Result> = z.object({
  bench: z.string(),
  case: z.string(),
  ours: z.number(),
  other: z.number(),
  unit: z.string(),
  ratio: z.number(),
  goal: z.string().optional(),
  note: z.string().optional(),
});

const unmeasuredRow = z.object({ bench: z.string(), unmeasured: z.string() });

const [part = "", write] = process.argv.slice(2);
if (write !== undefined && write !== "--write") throw new Error(`expected --write, got ${write}`);
const files = readdirSync(FOLDER)
  .filter((name) => name.endsWith(".ts") && !name.endsWith("-support.ts") && name.includes(part))
  .filter((name) =>
    /^import \{[^}]*\b(?:result|inOpenCodesBun)\b/mu.test(readFileSync(join(FOLDER, name), "utf8")),
  );

const rows: Result[] = [];
/** What is missing, and why. */
const missing: string[] = [];
for (const name of files) {
  console.log(`\n== ${name}`);
  const code = await run(name);
  if (code === 0) continue;
  missing.push(`${name} ended with code ${code}: what it had to say is missing.`);
  process.exitCode = 1;
}

const heads = ["benchmark", "case", "ours", "other", "unit", "ratio", "goal", ""];
const cells = rows.map((each) => [
  each.bench,
  each.case,
  figure(each.ours),
  figure(each.other),
  each.unit,
  each.ratio.toFixed(2),
  each.goal ?? "",
  each.note ?? "",
]);
const lines = [heads, heads.map(() => "---"), ...cells].map(
  (line) => `| ${line.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`,
);
const text = [
  "# Results",
  "",
  "Written by `npm run bench`: ours and the other in turn, in one run. A ratio below 1 means that ours is less.",
  "",
  ...machine().map((line) => `- ${line}`),
  ...missing.map((line) => `- ${line}`),
  "",
  ...lines,
].join("\n");
const isWritten = part === "" || write !== undefined;
if (isWritten) {
  writeFileSync(RESULTS, `${part === "" ? text : withRows()}\n`);
  execFileSync(join(PACKAGE_ROOT, "node_modules/.bin/prettier"), ["--write", RESULTS]);
}
console.log(`\n${isWritten ? readFileSync(RESULTS, "utf8") : text}`);

/** RESULTS.md with these rows in place of those of the same benchmarks, and a line that says when and of which commit. */
function withRows(): string {
  const names = [...new Set(rows.map(({ bench }) => bench))];
  const isOf = (line: string) =>
    names.some((name) => line.startsWith(`- ${name}: `) || line.startsWith(`| ${name} `));
  const kept = readFileSync(RESULTS, "utf8")
    .trimEnd()
    .split("\n")
    .filter((line) => !isOf(line));
  const facts = names.map((name) => `- ${name}: ${[...machine(), ...missing].join("; ")}`);
  const lastFact = kept.findLastIndex((line) => line.startsWith("- "));
  return [
    ...kept.slice(0, lastFact + 1),
    ...facts,
    ...kept.slice(lastFact + 1),
    ...lines.slice(2),
  ].join("\n");
}

/** Shows what it prints, and keeps its results. */
async function run(name: string): Promise<number | null> {
  const child = spawn(process.execPath, ["--import", "tsx", join(FOLDER, name)], {
    cwd: PACKAGE_ROOT,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = new Promise<number | null>((resolve) => {
    child.on("close", resolve);
  });
  for await (const line of createInterface({ input: child.stdout })) {
    if (!line.startsWith('{"bench"')) {
      console.log(line);
      continue;
    }
    const said: unknown = JSON.parse(line);
    const { data } = unmeasuredRow.safeParse(said);
    if (data) missing.push(`${data.bench}: not measured: ${data.unmeasured}`);
    else rows.push(row.parse(said));
  }
  return ended;
}

function machine(): string[] {
  const memory = (totalmem() / 1_024 ** 3).toFixed(1);
  const [cpu] = cpus();
  const output = (file: string, args: string[], env = {}) =>
    execFileSync(file, args, {
      cwd: PACKAGE_ROOT,
      env: { ...process.env, ...env },
      encoding: "utf8",
    });
  const bun = output(OPENCODE_BINARY, ["--version"], { BUN_BE_BUN: "1" }).trim();
  const commit = output("git", ["describe", "--always", "--dirty"]).trim();
  const { version } = z
    .object({ version: z.string() })
    .parse(JSON.parse(readFileSync(join(PACKAGE_ROOT, "package.json"), "utf8")));
  return [
    `${new Date().toISOString().slice(0, 16).replace("T", " ")} UTC, \`${["npm run bench", ...(part ? [`-- ${part}`] : [])].join(" ")}\``,
    `${cpu?.model ?? "unknown processor"}, ${availableParallelism()} cores, ${memory} GiB, ${type()} ${release()}`,
    `opencode-background-manager ${version} (${commit}), OpenCode ${OPENCODE_VERSION} (Bun ${bun}), Node ${process.version}`,
  ];
}

function figure(value: number): string {
  const digits = Math.abs(value) >= 100 || Number.isInteger(value) ? 0 : 1;
  return value.toLocaleString("en", { maximumFractionDigits: digits });
}
