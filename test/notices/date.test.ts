/** The date is set while notices are on their way: no pause gets longer, none shorter. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { family, familyAtRest, MINUTE } from "./family.js";

for (const [where, by] of [
  ["back", -60 * MINUTE],
  ["forward", 60 * MINUTE],
] as const) {
  void describe(`the date is set ${where} by an hour`, () => {
    void it("after an end: it is told after the merge window, as ever", async () => {
      const { house, parent, finish, prompts } = await family(2);
      await parent.run();
      await finish(0);
      house.clock.set(house.clock.now() + by);
      await finish(1);
      await house.clock.advance(200);
      assert.equal(prompts().length, 1);
    });

    void it("after a failure: the next try comes after its pause", async () => {
      const { house, prompts } = await familyAtRest();
      house.host.fail("session");
      await house.clock.advance(200);
      house.host.heal("session");
      house.clock.set(house.clock.now() + by);
      const before = prompts().length;
      await house.clock.advance(2_000);
      assert.equal(prompts().length, before, "not sooner");
      await house.clock.advance(2_000);
      assert.equal(prompts().length, before + 1, "nor later");
    });

    void it("while an answer is awaited: it is looked for after its pause", async () => {
      const { house, prompts } = await familyAtRest();
      await house.clock.advance(200);
      assert.equal(prompts().length, 1);
      const looks = () => house.host.calls.get("busySessions") ?? 0;
      const before = looks();
      house.clock.set(house.clock.now() + by);
      await house.clock.advance(31_000);
      assert.ok(looks() > before);
    });

    void it("after the user typed: what ends then is told within the patience for that message", async () => {
      const { house, parent, finish, prompts } = await family();
      await parent.run();
      await parent.types();
      house.clock.set(house.clock.now() + by);
      await finish(0);
      await parent.run();
      await house.clock.advance(2 * MINUTE);
      assert.equal(prompts().length, 1);
    });
  });
}
