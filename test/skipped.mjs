/**
 * Which tests were skipped, and why. As a reporter of `node --test` it writes them to a file, beside what the other
 * reporter prints; `npm test` ends with `node test/skipped.mjs`, which says them in one line. With CI set, a skip that
 * `ALLOWED` does not name is a failure.
 */
import { existsSync, readFileSync, realpathSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** The files that the reporter writes in `npm test`. */
const FILES = ["unit", "host"].map((name) =>
  fileURLToPath(new URL(`../node_modules/.cache/skipped-${name}`, import.meta.url)),
);

/** What need not be there in CI, by the reasons that tests give: what `.ci/run` cannot install, or the machine lacks. */
const ALLOWED = new Set([
  "node-pty cannot be installed here: it needs npm's registry, a compiler and Node's headers",
  "no control group can be made here",
  "tailwindcss cannot be installed here: it needs npm's registry",
  "the machine has no IPv6",
]);

/**
 * One line for each: the reason, or the test's name where it says what is missing (`/bin/zsh`).
 * @param {AsyncIterable<import("node:test/reporters").TestEvent>} source
 */
export default async function* reporter(source) {
  for await (const { type, data } of source) {
    if (type !== "test:pass") continue;
    const { skip, name } = data;
    if (skip === undefined || skip === false) continue;
    yield `${typeof skip === "string" && skip !== "" ? skip : name}\n`;
  }
}

function sayAll() {
  const missing = FILES.filter((file) => !existsSync(file));
  if (missing.length > 0) throw new Error(`run npm test first: no ${missing.join(", ")}`);
  const reasons = FILES.flatMap((file) => readFileSync(file, "utf8").split("\n")).filter(Boolean);
  const counts = new Map();
  for (const reason of reasons) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  const list = [...counts].map(([reason, count]) => `${reason} (${count})`).join(", ");
  const all = reasons.length === 1 ? "1 test or group" : `${reasons.length} tests or groups`;
  console.log(`Skipped: ${reasons.length === 0 ? "nothing" : `${all}: ${list}`}.`);
  const unwanted = reasons.filter((reason) => !ALLOWED.has(reason));
  if (process.env["CI"] && unwanted.length > 0) {
    console.error("With CI set nothing may be skipped that test/skipped.mjs does not allow.");
    process.exitCode = 1;
  }
}

const [, called] = process.argv;
if (called !== undefined && realpathSync(called) === fileURLToPath(import.meta.url)) sayAll();
