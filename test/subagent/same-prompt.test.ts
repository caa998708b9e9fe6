import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { House } from "../fakes/house.js";

void describe("a launch that repeats another", () => {
  const prompt = "Find every place where the parser reads a file and list them by module.";
  for (const [what, other, alike] of [
    ["the very same words", ` ${prompt}\n`, true],
    ["another case", prompt.toUpperCase(), false],
    ["the same for another file", prompt.replace("parser", "printer"), false],
  ] as const) {
    void it(`${alike ? "is" : "is not"} named: ${what}`, async () => {
      const house = new House();
      const parentSessionID = house.host.addRoot();
      const first = await house.launch({ parentSessionID, prompt });
      const base = { description: "d", agent: "general", parentSessionID };
      const { same } = await house.tasks.launch({ ...base, prompt: other });
      assert.deepEqual(
        same.map(({ id }) => id),
        alike ? [first.id] : [],
      );
    });
  }

  void it("is not named when the other one has another agent or has ended", async () => {
    const house = new House();
    const parentSessionID = house.host.addRoot();
    await house.launch({ parentSessionID, prompt, agent: "explore" });
    const ended = await house.child({ parentSessionID, prompt });
    await house.answer(ended.sessionID, "done");
    const base = { description: "d", agent: "general", parentSessionID };
    assert.deepEqual((await house.tasks.launch({ ...base, prompt })).same, []);
  });

  void it("is not named when the other one belongs to another session tree", async () => {
    const house = new House();
    await house.launch({ parentSessionID: house.host.addRoot(), prompt });
    const base = { description: "d", agent: "general", parentSessionID: house.host.addRoot() };
    assert.deepEqual((await house.tasks.launch({ ...base, prompt })).same, []);
  });
});
