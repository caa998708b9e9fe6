import assert from "node:assert/strict";
import { describe, it } from "node:test";
import * as fc from "fast-check";
import { optionsSchema, parseOptions } from "../src/options.js";

const DEFAULTS = parseOptions().options;

void describe("options", () => {
  void it("have their defaults when none is given", () => {
    assert.deepEqual(parseOptions(), {
      options: optionsSchema.parse({}),
      problems: [],
      faults: [],
    });
    assert.equal(DEFAULTS.concurrency, 5);
    assert.equal(DEFAULTS.maxRunning, 10);
    assert.equal(DEFAULTS.maxDepth, 1);
    assert.equal(DEFAULTS.maxTasksPerSession, 50);
    assert.equal(DEFAULTS.mergeMilliseconds, 200);
    assert.equal(DEFAULTS.permissionInBackground, "leave");
    assert.equal(DEFAULTS.wake, "each");
  });

  void it("that are right are taken", () => {
    const given = { maxDepth: 2, wake: "all", concurrencyByModel: { anthropic: 3, "a/b": 1 } };
    const { options, problems } = parseOptions(given);
    assert.deepEqual(options, { ...DEFAULTS, ...given });
    assert.deepEqual(problems, []);
  });

  void it("that are unknown are named and ignored", () => {
    const { options, problems } = parseOptions({ maxdepth: 2, __proto__x: 1, constructor: 1 });
    assert.deepEqual(options, DEFAULTS);
    assert.equal(problems.length, 3);
    assert.equal(problems[0], 'option "maxdepth" is unknown and was ignored');
  });

  for (const [name, values] of [
    ["concurrency", [0, 101, 1.5, "5", null, NaN]],
    ["concurrencyByModel", [{ a: 0 }, { a: "x" }, [1], null, 3]],
    ["maxRunning", [0, 101, -1]],
    ["maxDepth", [0, 6, "1"]],
    ["maxTasksPerSession", [0, 1_001]],
    ["stallMinutes", [0, -1, 1_441, Infinity]],
    ["stallAction", ["kill", "", null]],
    ["maxRunMinutes", [-1, 10_081]],
    ["maxToolCalls", [-1, 1.5]],
    ["permissionInBackground", ["allow", true]],
    ["wake", ["always", true]],
    ["mergeMilliseconds", [-1, 5_001, 0.5]],
    ["onParentAbort", ["stop"]],
    ["toasts", ["yes", 1, null]],
  ] as const) {
    for (const value of values) {
      void it(`${name}: ${JSON.stringify(value)} is named, its default holds and all others are taken`, () => {
        const { options, problems } = parseOptions({ [name]: value, keepEnded: 7 });
        assert.deepEqual(options, { ...DEFAULTS, keepEnded: 7 });
        assert.equal(problems.length, 1);
        assert.match(
          problems[0] ?? "",
          new RegExp(`^option "${name}": .+; using the default$`, "u"),
        );
        assert.ok(!problems[0]?.includes("\n"));
      });
    }
  }

  for (const [given, words] of [
    [{ maxDepth: 99 }, "at most 5, got 99"],
    [{ maxDepth: "1" }, 'a number, got "1"'],
    [{ maxDepth: 1.5 }, "a whole number, got 1.5"],
    [{ stallMinutes: 0 }, "more than 0, got 0"],
    [{ wake: "always" }, 'one of "each", "all", "none", got "always"'],
    [{ toasts: 1 }, "true or false, got 1"],
    [{ concurrencyByModel: [1] }, "an object, got [1]"],
    [{ concurrencyByModel: { "a/b": 0 } }, 'for a/b at least 1, got {"a/b":0}'],
  ] as const) {
    void it(`say what was expected and what came: ${words}`, () => {
      const [name = ""] = Object.keys(given);
      const line = `option "${name}": expected ${words}; using the default`;
      assert.deepEqual(parseOptions(given).problems, [line]);
    });
  }

  void it("of any form never throw and always give a complete set", () => {
    const names = fc.oneof(fc.constantFrom(...Object.keys(optionsSchema.shape)), fc.string());
    fc.assert(
      fc.property(fc.dictionary(names, fc.anything()), (given) => {
        assert.ok(optionsSchema.safeParse(parseOptions(given).options).success);
      }),
      { numRuns: 1_000 },
    );
  });
});
