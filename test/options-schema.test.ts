/** What the package says of its options is what the code takes: the JSON schema and the README's table. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { z } from "zod";
import { optionsSchema } from "../src/options.js";

const FILE = new URL("../src/options.schema.json", import.meta.url);
const README = new URL("../README.md", import.meta.url);

/** UPDATE=1 writes the file anew. */
test("src/options.schema.json is made from the options", () => {
  const schema = {
    title: "Options of opencode-background-manager",
    ...z.toJSONSchema(optionsSchema, { io: "input" }),
    additionalProperties: false,
  };
  const text = `${JSON.stringify(schema, null, 2)}\n`;
  if (process.env["UPDATE"]) writeFileSync(FILE, text);
  assert.deepEqual(JSON.parse(readFileSync(FILE, "utf8")), JSON.parse(text));
});

test("the README's table names every option and its default", () => {
  const table = readFileSync(README, "utf8")
    .split("\n")
    .filter((line) => line.startsWith("| `"));
  const defaults = optionsSchema.parse({});
  for (const [name, value] of Object.entries(defaults)) {
    const row = table.find((line) => line.startsWith(`| \`${name}\` `));
    assert.ok(row, `${name} is not in the table`);
    const words = row.split("|")[2]?.trim() ?? "";
    const shown = /KiB|MiB/u.test(words) ? bytesOf(words) : JSON.parse(words.replaceAll("`", ""));
    assert.deepEqual(shown, value, `${name}: the table says ${words}`);
  }
});

function bytesOf(words: string): number {
  const [, count, unit] = /^(\d+) (KiB|MiB)$/u.exec(words) ?? [];
  return Number(count) * (unit === "MiB" ? 1_024 ** 2 : 1_024);
}
