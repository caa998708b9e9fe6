/**
 * The files of `npm run test:host` in the order in which they start, for `node --test`: those that take longest first, so
 * that none is left alone at the end. Files that use projects of one server (`shareServer`) run together in one process,
 * because a server's start and first turn cost five seconds of processor. Their projects are made in describe blocks: what is
 * made above them would be made too late in the second of two files.
 */
import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));

/** By their names in `test/e2e`. */
const TOGETHER = {
  runs: ["run-ends", "run-instructions", "run-starts", "subagent", "subagent-control"],
  plans: ["fallback", "order", "task-permission", "event-command", "options"],
  notices: ["budget", "groups", "notices-together"],
  bash: ["bash-same", "bash-permission", "permission"],
};

/** The longest ones, by the time that they took in CI. All others follow by name. */
const FIRST = ["tui-install", "worktree-rights", "tui-bash", "bash", "reload", "tui-badge"];

const folder = root("node_modules/.cache/together");
rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });
const groups = Object.entries(TOGETHER).map(([name, files]) => {
  const imports = files.map(
    (file) => `import ${JSON.stringify(root(`test/e2e/${file}.test.ts`))};`,
  );
  writeFileSync(`${folder}/${name}.test.mjs`, `${imports.join("\n")}\n`);
  // For the shell of `npm run`: a folder above may have a blank in its name.
  return `node_modules/.cache/together/${name}.test.mjs`;
});
const all = ["soak", "e2e"].flatMap((kind) =>
  readdirSync(root(`test/${kind}`))
    .filter((name) => name.endsWith(".test.ts"))
    .map((name) => ({ path: `test/${kind}/${name}`, name: name.replace(".test.ts", "") })),
);
const named = [...FIRST, ...Object.values(TOGETHER).flat()];
const missing = named.filter((name) => !all.some((file) => file.name === name));
if (missing.length > 0) throw new Error(`no such files of tests: ${missing.join(", ")}`);
const first = FIRST.flatMap((name) => all.filter((file) => file.name === name));
const rest = all.filter(({ name }) => !named.includes(name));
const paths = (files) => files.map(({ path }) => path);
console.log([...paths(first), ...groups, ...paths(rest).toSorted().toReversed()].join("\n"));
