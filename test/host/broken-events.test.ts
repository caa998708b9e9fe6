/** Events that are not what they should be: none of them throws or brings a wrong field in. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import * as fc from "fast-check";
import { translateEvent } from "../../src/host/events.js";
import { loadRecording } from "../../fixtures/recordings/format.js";
import { NAMES, TYPES } from "./recorded.js";

const all = NAMES.flatMap((name) => loadRecording(name).events.map(({ event }) => event));

/** Something else in one place, at any depth. */
function mutate(value: unknown, path: readonly number[], replacement: unknown): unknown {
  const [step, ...rest] = path;
  if (step === undefined || typeof value !== "object" || value === null) return replacement;
  const keys = Object.keys(value);
  const key = keys[step % Math.max(1, keys.length)];
  if (key === undefined) return replacement;
  const inner: unknown = Reflect.get(value, key);
  const changed = mutate(inner, rest, replacement);
  if (Array.isArray(value)) return value.with(Number(key), changed);
  return changed === undefined
    ? Object.fromEntries(Object.entries(value).filter(([name]) => name !== key))
    : { ...value, [key]: changed };
}

void describe("a broken event", () => {
  void it("is none, or one of ours with its fields in order, and never an exception", () => {
    const replacement = fc.oneof(
      fc.constantFrom(undefined, null, "", 0, -1, NaN, Infinity, 1e300, [], {}, true, "deny"),
      fc.anything(),
    );
    fc.assert(
      fc.property(
        fc.constantFrom(...all),
        fc.array(fc.nat(20), { minLength: 1, maxLength: 5 }),
        replacement,
        (event, path, other) => {
          const result = translateEvent(mutate(event, path, other));
          if (!result) return;
          assert.ok(TYPES.includes(result.type));
          assert.equal(typeof result.sessionID, "string");
          if (result.type === "retry") assert.ok(!Number.isNaN(result.nextAt.getTime()));
          if (result.type === "assistant") {
            const { usage } = result.message;
            assert.ok(
              Object.values(usage).every((figure) => Number.isFinite(figure) && figure >= 0),
            );
            assert.ok([usage.input, usage.output].every(Number.isInteger));
          }
        },
      ),
      { numRuns: 20_000 },
    );
  });

  void it("of any form at all is no exception", () => {
    fc.assert(
      fc.property(fc.anything(), (event) => {
        translateEvent(event);
      }),
      { numRuns: 2_000 },
    );
    const loop: Record<string, unknown> = { name: 7 };
    loop["self"] = loop;
    for (const type of ["session.error", "message.updated", "message.part.updated"]) {
      const properties = { sessionID: "ses_1", error: loop, info: loop, part: loop };
      translateEvent({ type, properties });
    }
  });

  void it("of an assistant keeps what is right: a figure that makes no sense costs no answer", () => {
    const info = {
      role: "assistant",
      id: "msg_2",
      parentID: "msg_1",
      time: { completed: 7 },
      finish: "stop",
      tokens: { input: null, output: -3, reasoning: 1.4, cache: null },
      cost: NaN,
    };
    const event = translateEvent({ type: "message.updated", properties: { sessionID: "s", info } });
    assert.ok(event?.type === "assistant");
    assert.equal(event.message.completed, true);
    assert.deepEqual(event.message.usage, {
      input: 0,
      output: 0,
      reasoning: 1,
      cacheRead: 0,
      cost: 0,
    });
  });
});
