// Owns: playing actions in the world and on the reference side by side.
import assert from "node:assert/strict";
import { requestEvent } from "../../src/host/user-request.js";
import { STUBBORN } from "../fakes/machine.js";
import { Parent } from "../fakes/parent.js";
import { Reference, type Expected } from "./reference.js";
import { MOST_PROCESSES, SLOTS, World } from "./world.js";
import { type Action, MINUTE } from "./actions.js";

export class Play {
  readonly #world: World;
  readonly #reference = new Reference();
  readonly #parents: Parent[];
  readonly #printed = new Map<string, number>();

  constructor(world: World) {
    this.#world = world;
    this.#parents = [new Parent(world), new Parent(world)];
  }

  async do(step: Action): Promise<void> {
    const world = this.#world;
    // Messages of one millisecond have no order between the host's ids and ours.
    await world.wait(1);
    const withheld = this.#reference.withheld().map((job) => ({ job, ...this.#told(job) }));
    switch (step.do) {
      case "launch":
        await this.#launch(this.#parent(step.by), step);
        break;
      case "spawn":
        await this.#spawn(this.#parent(step.by), step.stubborn, step.group);
        break;
      case "print":
        this.#print(this.#chosen(step.which, "process"), step.characters);
        break;
      case "exit":
        this.#exit(this.#chosen(step.which, "process"), step.code);
        break;
      case "finish":
        this.#finish(this.#chosen(step.which, "subagent"), step.how);
        break;
      case "end by agent":
        await this.#endByAgent(this.#chosen(step.which));
        break;
      case "end by user":
        await this.#endByUser(this.#chosen(step.which));
        break;
      case "delete session":
        await this.#deleteSession(step.by);
        break;
      case "type":
        await this.#parent(step.by).types();
        this.#reference.used(this.#parent(step.by).id);
        break;
      case "turn":
        await this.#parent(step.by).run();
        break;
      case "esc":
        this.#parent(step.by).esc();
        break;
      case "wait":
        await world.wait(step.milliseconds);
        break;
      case "save":
        await world.workspace.persist();
        this.#reference.saveAll();
        break;
      default:
        await this.#startAgain(step);
    }
    await world.wait(1);
    this.check();
    const still = new Set(this.#reference.withheld());
    for (const { job, times } of withheld) {
      if (still.has(job)) assert.equal(this.#told(job).times, times, `${job.id} before its group`);
    }
  }

  /** What must hold after every step. */
  check(): void {
    const { workspace, ends, errors } = this.#world;
    assert.equal(workspace.jobs.size, this.#reference.jobs.size, "jobs that were never started");
    for (const job of this.#reference.jobs.values()) {
      assert.equal(this.#world.outcome(job.id), job.outcome, `${job.id} of ${job.parent}`);
      assert.ok((ends.get(job.id) ?? 0) <= 1, `${job.id} ended twice`);
      const { times } = this.#told(job);
      assert.ok(times <= (job.owed ? 1 : 0), `${job.id} was told ${times} times`);
      const printed = this.#printed.get(job.id);
      if (ends.has(job.id) && printed !== undefined) {
        assert.equal(workspace.processes.get(job.id)?.output.bytes, printed, "output was lost");
      }
    }
    const live = this.#reference.started().length;
    const running = workspace.tasks.list({ status: "running" }).length;
    assert.equal(running, Math.min(SLOTS, live), `${running} of ${live} run`);
    const processes = this.#reference.live("process").length;
    assert.equal(workspace.processes.list({ status: "running" }).length, processes);
    assert.equal(this.#world.machine.pids.length, processes, "processes without a job");
    assert.deepEqual(errors, []);
  }

  /** Everything ends, every user types: then each end that is owed has been told and read. */
  async rest(): Promise<void> {
    const world = this.#world;
    for (const job of this.#reference.live("process")) this.#exit(job, 0);
    await world.wait(1);
    for (const parent of this.#parents) {
      await parent.types();
      this.#reference.used(parent.id);
    }
    while (this.#reference.live("subagent").length > 0) {
      await world.wait(1);
      // Those that have a place now; what waited for others is not in the order in which it was launched.
      const next = this.#reference
        .started()
        .find(({ id }) => world.workspace.tasks.getTask(id)?.sessionID !== undefined);
      assert.ok(next, "what is left waits for ever");
      this.#finish(next, "answer");
      await world.wait(1);
    }
    for (let round = 0; round < 10 && world.notices.outbox.all().length > 0; round++) {
      for (const parent of this.#parents) {
        await world.wait(1);
        await parent.types();
        await world.wait(1);
        await parent.run();
      }
      await world.wait(6 * MINUTE);
      for (const parent of this.#parents) await parent.run();
      await world.wait(1);
    }
    this.check();
    assert.deepEqual(world.notices.outbox.all(), []);
    for (const job of this.#reference.jobs.values()) {
      if (job.owed) assert.deepEqual(this.#told(job), { times: 1, read: true }, job.id);
    }
  }

  async #launch(
    parent: Parent,
    { group, after }: Extract<Action, { do: "launch" }>,
  ): Promise<void> {
    const { tasks } = this.#world.workspace;
    const input = { description: "a task", prompt: "do it", agent: "general" };
    const others = this.#reference.live("subagent").filter((job) => job.parent === parent.id);
    const before = after === undefined ? undefined : others[after % Math.max(1, others.length)];
    const ids = before === undefined ? [] : [before.id];
    const among = { ...(group !== undefined && { group }), after: ids };
    const launched = tasks.launch({ ...input, ...among, parentSessionID: parent.id });
    const { task } = await this.#world.until(launched);
    this.#reference.used(parent.id);
    this.#reference.start({ id: task.id, kind: "subagent", parent: parent.id, group, after: ids });
  }

  async #spawn(parent: Parent, stubborn: boolean, group?: string): Promise<void> {
    const { workspace } = this.#world;
    const session = { parentSessionID: parent.id, rootSessionID: parent.id };
    const created = workspace.processes.create({
      command: stubborn ? STUBBORN : "serve",
      cwd: "/",
      ...(group !== undefined && { group }),
      ...session,
    });
    if (this.#reference.live("process").length >= MOST_PROCESSES) {
      await assert.rejects(created, /maxProcesses/u);
      return;
    }
    const { job } = await this.#world.until(created);
    await workspace.persist();
    this.#reference.used(parent.id);
    this.#reference.start({ id: job.id, kind: "process", parent: parent.id, group });
    this.#printed.set(job.id, 0);
  }

  #print(job: Expected | undefined, characters: number): void {
    if (!job) return;
    this.#world.machine.print(this.#world.pidOf(job.id), "x".repeat(characters));
    this.#printed.set(job.id, (this.#printed.get(job.id) ?? 0) + characters);
  }

  #exit(job: Expected | undefined, code: number): void {
    if (!job) return;
    this.#world.machine.exit(this.#world.pidOf(job.id), code);
    this.#reference.end(job.id, code === 0 ? "completed · finished" : "failed · error");
  }

  /** What becomes of a running child; one that waits for its turn has no session yet. */
  #finish(job: Expected | undefined, how: "answer" | "fail" | "abort" | "delete"): void {
    const world = this.#world;
    const sessionID = job && world.workspace.tasks.getTask(job.id)?.sessionID;
    if (!job || sessionID === undefined) return;
    if (how === "delete") {
      world.host.sessions.delete(sessionID);
      world.host.busy.delete(sessionID);
      world.event({ type: "deleted", sessionID });
      this.#reference.end(job.id, "cancelled · session_deleted");
      return;
    }
    const name = how === "fail" ? "APIError" : "MessageAbortedError";
    const said = how === "answer" ? { text: "The answer." } : { error: { name, message: "no" } };
    const message = world.host.addAssistant(sessionID, said);
    world.event({ type: "assistant", sessionID, message });
    world.idle(sessionID);
    const outcomes = {
      answer: "completed · finished",
      fail: "failed · error",
      abort: "cancelled · cancelled_by_user",
    };
    this.#reference.end(job.id, outcomes[how]);
  }

  /** The answer of the tool says it: no notice. */
  async #endByAgent(job: Expected | undefined): Promise<void> {
    if (!job) return;
    const { id, parent, kind } = job;
    if (kind === "process") await this.#world.call("killProcesses", { processId: id }, parent);
    else await this.#world.call("cancelBackgroundTasks", { taskId: id }, parent);
    this.#reference.end(id, "cancelled · cancelled_by_agent", false);
  }

  async #endByUser(job: Expected | undefined): Promise<void> {
    if (!job) return;
    this.#world.workspace.handleEvent(requestEvent({ act: "cancel", jobID: job.id }));
    this.#reference.end(job.id, "cancelled · cancelled_by_user");
    await this.#world.wait(5_000);
  }

  /** The host deletes the children first. No session is left to be told. */
  async #deleteSession(index: number): Promise<void> {
    const { host } = this.#world;
    const parent = this.#parent(index);
    const children = [...host.sessions.values()].map(({ info }) => info);
    const family = children.filter(({ parentID }) => parentID === parent.id).map(({ id }) => id);
    for (const sessionID of [...family, parent.id]) {
      host.sessions.delete(sessionID);
      host.busy.delete(sessionID);
      this.#world.event({ type: "deleted", sessionID });
    }
    parent.halt();
    await this.#world.wait(5_000);
    this.#reference.deleted(parent.id, (id) => this.#world.outcome(id));
    this.#parents[index] = new Parent(this.#world);
  }

  async #startAgain(step: Extract<Action, { do: "restart" | "crash" }>): Promise<void> {
    for (const parent of this.#parents) parent.halt();
    if (step.do === "restart") {
      await this.#world.restart();
      this.#reference.closed((id) => this.#world.outcome(id));
    } else {
      await this.#world.crash(step.watchdog);
      this.#reference.crashed((id) => this.#world.outcome(id));
    }
  }

  #parent(index: number): Parent {
    const parent = this.#parents[index];
    assert.ok(parent);
    return parent;
  }

  #chosen(index: number, kind?: Expected["kind"]): Expected | undefined {
    const live = this.#reference.live(kind);
    return live[index % Math.max(1, live.length)];
  }

  #told({ id, parent }: Expected): { times: number; read: boolean } {
    const owner = this.#parents.find((each) => each.id === parent);
    return owner?.told(`id="${id}"`) ?? { times: 0, read: false };
  }
}
