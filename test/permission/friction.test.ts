/** How much of what people and agents write is plain. What is not is printed with its construct. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { agents, measure, readmesOf, scriptsOf } from "../../fixtures/commands/corpora.js";

const CORPORA = [
  ["the scripts of installed packages", scriptsOf, 200],
  ["the commands in their READMEs", readmesOf, 100],
  ["what coding agents send", agents, 300],
] as const;

for (const [name, commandsOf, least] of CORPORA) {
  test(`97 of 100 are plain: ${name}`, () => {
    const { total, plain, opaque } = measure(commandsOf());
    const lines = [...opaque].flatMap(([construct, commands]) =>
      commands.map((it) => `${construct}: ${JSON.stringify(it)}`),
    );
    console.log([`${name}: ${plain} of ${total} are plain`, ...lines].join("\n  "));
    assert.ok(total >= least, `${total} commands`);
    assert.ok(plain / total >= 0.97, `${((100 * plain) / total).toFixed(1)} %`);
  });
}
