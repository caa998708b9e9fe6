// Owns: a parent with children that run, and what was sent to it: the course of nearly every test of a delivery.
// Promises: the parent's user has typed, and its run goes on.
import assert from "node:assert/strict";
import type { Options } from "../../src/options.js";
import { House } from "../fakes/house.js";
import { Parent } from "../fakes/parent.js";

export const MINUTE = 60_000;

export async function family(children = 1, options: Partial<Options> = {}) {
  const house = new House({ options: { concurrency: 100, maxDepth: 2, ...options } });
  const parent = new Parent(house);
  const jobs: { id: string; sessionID: string }[] = [];
  for (let index = 0; index < children; index++) {
    const child = await house.child({ parentSessionID: parent.id, description: `child ${index}` });
    house.busy(child.sessionID);
    jobs.push(child);
  }
  const [child] = jobs;
  assert.ok(child);
  await parent.types();
  const finish = async (index: number) => {
    const job = jobs[index];
    assert.ok(job);
    await house.answer(job.sessionID, `answer ${index}`);
  };
  const job = (index: number) => jobs[index]?.id ?? "";
  /** The prompts of ours to the parent, those without a text too. */
  const sent = () => house.host.prompts.filter(({ sessionID }) => sessionID === parent.id);
  const prompts = () => house.promptsTo(parent.id);
  /** Which jobs are still to be told of, and to whom. */
  const owed = () =>
    house.notices.outbox
      .all()
      .map(({ parentSessionID, jobID, kind }) => ({ parentSessionID, jobID, kind }));
  return { house, parent, child, finish, job, sent, prompts, owed };
}

/** A family whose parent rests when its first child ends: the notice of that is about to be sent. */
export async function familyAtRest(options: Partial<Options> = {}) {
  const all = await family(1, options);
  await all.parent.run();
  await all.finish(0);
  return all;
}
