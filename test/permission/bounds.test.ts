import assert from "node:assert/strict";
import { describe, it } from "node:test";
import * as fc from "fast-check";
import { askForCommand } from "../../src/permission/ask.js";
import { bashRules, hostAsk } from "./host-rules.js";

const LIMIT_MS = 5000;
const STRICT = bashRules({ "*": "ask", "echo *": "allow", "ls *": "allow", "rm *": "deny" });
const OPEN = bashRules({ "*": "allow", "rm *": "deny" });

async function isAllowed(command: string, rules: typeof STRICT): Promise<boolean> {
  const project = { cwd: "/project", directory: "/project", worktree: "/" };
  try {
    await askForCommand({
      ...project,
      command,
      ask: hostAsk([{ permission: "external_directory", pattern: "*", action: "allow" }, ...rules]),
    });
    return true;
  } catch {
    return false;
  }
}

void describe("a huge command takes bounded time and does not pass", () => {
  const nested = (open: string, close: string, count: number) =>
    `echo ${open.repeat(count)}rm x${close.repeat(count)}`;
  const CASES: Record<string, string> = {
    "many words": `echo ${"a ".repeat(45_000)}; rm x`,
    "one word": `echo ${"a".repeat(100_000)}; rm x`,
    "one string": `echo '${"a b ".repeat(24_000)}'; rm x`,
    "many commands": `${"echo a;".repeat(14_000)}rm x`,
    "many pipes": `${"echo a|".repeat(10_000)}rm x`,
    "a here-document": `cat <<EOF\n${"line\n".repeat(20_000)}EOF\nrm x`,
    "open substitutions": nested("$(", "", 20_000),
    substitutions: nested("$(echo ", ")", 2000),
    subshells: `${"(".repeat(1000)}rm x${")".repeat(1000)}`,
    backticks: `echo ${"`".repeat(50_001)}rm x`,
    backslashes: `echo ${"\\".repeat(100_000)}; rm x`,
    quotes: `${"'".repeat(99_999)}; rm x`,
    "wrapped wrappers": `${"sudo ".repeat(15_000)}rm x`,
    "wrapped code": Array.from({ length: 9 }).reduce<string>(
      (code) => `sh -c ${JSON.stringify(code)}`,
      "rm x",
    ),
    "tests of find": `find . ${"-name a ".repeat(15_000)}$X; rm x`,
    "commands of find": `find . ${"-exec a ; ".repeat(12_000)}$X; rm x`,
    "options of a wrapper": `env ${"A=1 ".repeat(30_000)}$X; rm x`,
    "here-documents": `${"cat <<E\nE\n".repeat(9_000)}rm x`,
    "quotes in open substitutions": `echo ${'"$('.repeat(20_000)}rm x`,
    "empty lines": `${"\n".repeat(100_000)}ls &rm x`,
    assignments: `${"A=1 ".repeat(24_000)}rm x`,
  };
  for (const [name, command] of Object.entries(CASES)) {
    void it(name, async () => {
      const start = performance.now();
      assert.equal(await isAllowed(command, STRICT), false);
      assert.ok(performance.now() - start < LIMIT_MS);
    });
  }

  void it("but passes when it is only long", async () => {
    assert.equal(await isAllowed(`echo '${"a b ".repeat(24_000)}'`, STRICT), true);
  });

  void it("is refused when it hides code in more words than can be asked", async () => {
    const words = Array.from({ length: 3000 }, (_, index) => `word${index}`).join(" ");
    assert.equal(await isAllowed(`${words}; $X`, OPEN), false);
    assert.equal(await isAllowed("word; $X", OPEN), true);
  });
});

void describe("whatever stands before, a denied command does not pass", () => {
  const argument = fc.oneof(
    fc.stringMatching(/^[a-z0-9./-]{1,8}$/),
    fc.stringMatching(/^'[^'\0]{0,12}'$/),
    fc.stringMatching(/^"[a-z #;|&()<>{}\n]{0,12}"$/),
    fc.constantFrom(
      "a\\ b",
      "$X",
      "${X:-1}",
      "$((1+2))",
      "$(ls)",
      "`ls`",
      "a#b",
      "é日本",
      "*.ts",
      "\\;",
    ),
  );
  const allowed = fc
    .tuple(fc.constantFrom("echo", "ls"), fc.array(argument, { maxLength: 4 }))
    .map(([name, args]) => [name, ...args].join(" "));
  const separator = fc.constantFrom(
    ";",
    " ; ",
    "&&",
    " || ",
    "|",
    " |& ",
    " & ",
    "\n",
    "\r\n",
    " # c\n",
    ";\\\n",
    " 2>&1;",
    " >f;",
  );
  const denied = fc.constantFrom(
    "rm -rf x",
    "'rm' x",
    "r\\m x",
    "/bin/rm x",
    "A=1 rm x",
    "(rm x)",
    "{ rm x; }",
    "! rm x",
    ">f rm x",
    "$(rm x)",
    "echo $(rm x)",
    "sh -c 'rm x'",
    "sudo rm x",
    "eval rm x",
    "if ls; then rm x; fi",
  );

  void it("in a list", async () => {
    await fc.assert(
      fc.asyncProperty(allowed, separator, denied, async (first, between, last) => {
        const command = first + between + last;
        assert.equal(await isAllowed(command, STRICT), false, command);
        assert.equal(await isAllowed(command, OPEN), false, command);
      }),
      { numRuns: 1000 },
    );
  });

  void it("in any text at all, nothing throws but a refusal", async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: "binary", maxLength: 60 }), async (text) => {
        assert.equal(await isAllowed(`${text}\nrm x`, STRICT), false);
      }),
      { numRuns: 500 },
    );
  });
});
