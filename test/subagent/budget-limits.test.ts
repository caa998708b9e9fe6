import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  budgetsOf,
  budgetWords,
  crossed,
  hasBudgets,
  isSpent,
  treeBudget,
  type BudgetOptions,
} from "../../src/subagent/budgets.js";
import { costWords, modelOf, spendingWords, tokensOf } from "../../src/jobs/facts.js";
import { parseOptions } from "../../src/options.js";
import { dollars } from "../../src/text.js";

const options = (given: Partial<BudgetOptions>): BudgetOptions => ({
  ...parseOptions().options,
  ...given,
});

const task = (cost: number, more: object = {}) => ({
  agent: "general",
  cost,
  tokens: { input: 100, output: 20, reasoning: 3, cacheRead: 1_000_000 },
  ...more,
});

void describe("a budget", () => {
  void it("is none where every number is 0", () => {
    assert.equal(hasBudgets(options({})), false);
    assert.equal(hasBudgets(options({ maxCostByAgent: { general: 0 } })), false);
    for (const given of [
      { maxCost: 1 },
      { maxTokens: 1 },
      { maxCostPerSession: 1 },
      { maxCostByAgent: { a: 1 } },
      { maxTokensByAgent: { a: 1 } },
    ]) {
      assert.equal(hasBudgets(options(given)), true);
    }
    assert.deepEqual(budgetsOf(options({}), task(9), 9), []);
    assert.equal(isSpent(treeBudget(options({}), 9)), false);
  });

  void it("is the agent's own where it has one, also one of 0", () => {
    const given = options({
      maxCost: 1,
      maxCostByAgent: { general: 2, explore: 0 },
      maxTokens: 50,
      maxTokensByAgent: { explore: 500 },
    });
    const named = (agent: string) =>
      budgetsOf(given, task(0, { agent }), 0).map(({ option, most }) => `${option} ${most}`);
    assert.deepEqual(named("general"), ["maxCostByAgent 2", "maxTokens 50"]);
    assert.deepEqual(named("explore"), ["maxTokensByAgent 500"]);
    assert.deepEqual(named("toString"), ["maxCost 1", "maxTokens 50"]);
  });

  void it("counts input, output and reasoning, without cache", () => {
    assert.equal(tokensOf(task(0)), 123);
    const [budget] = budgetsOf(options({ maxTokens: 123 }), task(0), 0);
    assert.ok(budget && isSpent(budget));
    assert.equal(budgetWords(budget), 'spent 123 of 123 tokens (plugin option "maxTokens")');
  });

  void it("is spent at its number, that of the tree by what all have spent", () => {
    const given = options({ maxCost: 1, maxCostPerSession: 5 });
    assert.equal(budgetsOf(given, task(0.9999), 4.9999).find(isSpent), undefined);
    assert.equal(budgetsOf(given, task(1), 4).find(isSpent)?.option, "maxCost");
    const tree = budgetsOf(given, task(0.5), 5).find(isSpent);
    assert.ok(tree);
    assert.equal(
      budgetWords(tree),
      'the subagents of this session tree have spent $5.00 of $5.00 (plugin option "maxCostPerSession")',
    );
  });

  void it("is nearly spent in the step that passes four fifths, and in no other", () => {
    const given = options({ maxCost: 1, maxCostPerSession: 10 });
    const steps = [0, 0.5, 0.79, 0.8, 0.9].map((cost) => budgetsOf(given, task(cost), cost * 10));
    const near = steps.map((now, index) =>
      crossed(steps[index - 1] ?? [], now).map(({ option }) => option),
    );
    assert.deepEqual(near, [[], [], [], ["maxCost", "maxCostPerSession"], []]);
  });
});

void describe("what was spent is said", () => {
  void it("in dollars that say something, also of little", () => {
    assert.deepEqual([0, 1, 1.5, 0.0123, 0.00002, 0.0000001, 1234.5678].map(dollars), [
      "$0.00",
      "$1.00",
      "$1.50",
      "$0.0123",
      "$0.000020",
      "under $0.000001",
      "$1234.5678",
    ]);
  });

  void it("with tokens, and without a price where there is none", () => {
    assert.deepEqual(spendingWords(task(0.5)), ["123 tokens", "$0.50"]);
    assert.deepEqual(spendingWords(task(0)), ["123 tokens", "no price"]);
    const tokens = { input: 0, output: 0, reasoning: 0, cacheRead: 9 };
    assert.deepEqual(spendingWords({ tokens, cost: 0 }), []);
    assert.equal(costWords({ tokens: 0, cost: 0 }), "$0.00");
  });

  void it("of the model that is at work", () => {
    const model = { providerID: "a", modelID: "one" };
    const startedAt = new Date(0);
    const run = { promptMessageID: "msg_1", startedAt, status: "running" as const };
    assert.equal(modelOf({ model: undefined, runs: [] }), undefined);
    assert.equal(modelOf({ model, runs: [run] }), "a/one");
    const models = [
      { model: "a/one", cost: 0, tokens: 0, error: "no" },
      { model: "b/x/y", cost: 0, tokens: 0 },
    ];
    assert.equal(modelOf({ model, runs: [{ ...run, models }] }), "b/x/y");
    assert.equal(modelOf({ model, runs: [{ ...run, models }, run] }), "a/one");
  });
});
