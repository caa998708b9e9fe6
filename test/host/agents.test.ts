import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { agentsLine } from "../../src/host/agents.js";
import type { AgentInfo } from "../../src/host/host.js";

const agent = (name: string, more: Partial<AgentInfo> = {}): AgentInfo => ({
  name,
  mode: "subagent",
  hidden: false,
  permission: [],
  ...more,
});

void describe("what the definition says of the agents", () => {
  void it("names those that may be subagents and are not hidden", () => {
    const agents = [
      agent("explore"),
      agent("build", { mode: "primary" }),
      agent("both", { mode: "all" }),
      agent("secret", { hidden: true }),
    ];
    assert.equal(agentsLine(agents), "Agents: both, explore.");
    assert.equal(agentsLine([agent("build", { mode: "primary" })]), undefined);
  });

  void it("takes at most 600 characters, and says how many it leaves out", () => {
    const agents = Array.from({ length: 100 }, (_, index) => agent(`reviewer-number-${index}`));
    const line = agentsLine(agents) ?? "";
    assert.ok(line.length <= 600 && line.length > 550, `${line.length}`);
    const [, more] = /, and (\d+) more\.$/u.exec(line) ?? [];
    assert.equal(line.split(", ").length - 1 + Number(more), 100);
  });
});
