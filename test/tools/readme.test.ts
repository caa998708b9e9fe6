/** README's table of the tools says the same as their definitions: names, what is optional, defaults and limits. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { z } from "zod";
import { desk } from "../fakes/workspace.js";

interface Described {
  isOptional: boolean;
  default: string | undefined;
  /** "1 to 600" */
  range: string | undefined;
}

const readme = readFileSync(new URL("../../README.md", import.meta.url), "utf8");

/** By tool and argument: `name?` (default 30, 1 to 600). */
function table(): Map<string, Map<string, Described>> {
  const section = readme.slice(readme.indexOf("\n## Tools\n"), readme.indexOf("\n## Options\n"));
  const tools = new Map<string, Map<string, Described>>();
  for (const [, tool = "", args = ""] of section.matchAll(/^\| `(\w+)` +\|[^|]*\|([^|]*)\|$/gmu)) {
    const described = new Map<string, Described>();
    for (const [, name = "", optional, words = ""] of args.matchAll(
      /`(\w+)(\?)?`(?: \(([^)]*)\))?/gu,
    )) {
      described.set(name, {
        isOptional: optional !== undefined,
        default: defaultIn(words),
        range: /\d[\d,]* to [\d,]*\d/u.exec(words)?.[0],
      });
    }
    tools.set(tool, described);
  }
  return tools;
}

function defaultIn(words: string): string | undefined {
  const [, value] = /\bdefault (\w[\w,]*\w)/iu.exec(words) ?? [];
  return value?.replaceAll(",", "");
}

void describe("README's table of the tools", () => {
  const described = table();

  void it("has all tools and no other", (t) => {
    assert.deepEqual([...described.keys()].toSorted(), Object.keys(desk(t).tools).toSorted());
  });

  for (const [tool, args] of described) {
    void it(`${tool}: names, defaults and limits`, async (t) => {
      const { tools, call } = desk(t);
      const shown = z.record(z.string(), z.instanceof(z.ZodType)).parse(tools[tool]?.args);
      assert.deepEqual([...args.keys()].toSorted(), Object.keys(shown).toSorted());
      const isNeeded = ([, schema]: [string, z.ZodType]) => !schema.safeParse(undefined).success;
      const needed = Object.fromEntries(
        Object.entries(shown)
          .filter(isNeeded)
          .map(([name]) => [name, "x"]),
      );
      for (const [name, schema] of Object.entries(shown)) {
        const isOptional = schema.safeParse(undefined).success;
        assert.equal(args.get(name)?.isOptional, isOptional, `${name} is optional`);
        assert.equal(args.get(name)?.default, defaultIn(schema.description ?? ""), name);
        // The refusal of a wrong value says the limits.
        const refusal = await call(tool, { ...needed, [name]: 1e15 }).catch(String);
        const [, range] =
          new RegExp(`: ${name}: .*number from (\\d[\\d,]* to [\\d,]*\\d)`, "u").exec(refusal) ??
          [];
        assert.equal(args.get(name)?.range, range, name);
      }
    });
  }
});
