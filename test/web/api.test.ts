/** The web API over real state folders: what it gives, whom it refuses, and what its streams promise. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { connect } from "node:net";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { createParser } from "eventsource-parser";
import { STDERR, STDOUT } from "../../src/output/format.js";
import { OutputLog } from "../../src/output/log.js";
import { systemClock, UserError } from "../../src/ports.js";
import { deferred } from "../../fixtures/deferred.js";
import { FakeClock } from "../fakes/clock.js";
import { openApiDocument } from "../../src/web/openapi.js";
import { processJob, subagent } from "../store/records.js";
import type { ProcessIdentity } from "../../src/jobs/job.js";
import type { RequestView } from "../../src/web/schemas.js";
import { machine } from "../cli/support.js";
import { raw, reachable as owner, serve, stateFolder, type Fixture } from "./support.js";

type Owner = Awaited<ReturnType<typeof owner>>;

interface Sent {
  id: string | undefined;
  event: string | undefined;
  data: Record<string, unknown>;
}

/** Events of a stream, one by one; the connection ends with the test. */
async function events(t: TestContext, response: Response) {
  assert.equal(response.status, 200);
  const waiting: Sent[] = [];
  const parser = createParser({
    onEvent: ({ id, event, data }) => waiting.push({ id, event, data: JSON.parse(data) }),
  });
  const reader = response.body?.getReader();
  assert.ok(reader);
  t.after(() => reader.cancel().catch(() => undefined));
  const decoder = new TextDecoder();
  return async (): Promise<Sent | undefined> => {
    for (;;) {
      const next = waiting.shift();
      if (next) return next;
      const { done, value } = await reader.read();
      if (done) return undefined;
      parser.feed(decoder.decode(value, { stream: true }));
    }
  };
}

async function json(response: Response): Promise<Record<string, unknown>> {
  const body: unknown = await response.json();
  assert.ok(typeof body === "object" && body !== null);
  return Object.fromEntries(Object.entries(body));
}

async function withJobs(t: TestContext, options: Parameters<typeof serve>[2] = {}) {
  const root = stateFolder(t);
  const made = await owner(
    1,
    root,
    processJob("proc_1", { tags: ["web"], command: "npm run dev" }),
    subagent("bg_1", { prompt: "SECRET PROMPT" }),
  );
  await owner(2, root, subagent("bg_2"));
  return { made, served: await serve(t, root, options) };
}

void describe("the web API", () => {
  void it("lists jobs of all owners with what became of them, and one of them", async (t) => {
    const { served } = await withJobs(t);
    const { jobs } = await json(await served.get("/api/jobs"));
    assert.ok(Array.isArray(jobs));
    const fates = jobs.map(({ id, fate }: { id: string; fate: string }) => `${id} ${fate}`).sort();
    assert.deepEqual(fates, ["bg_1 active", "bg_2 interrupted", "proc_1 active"]);
    const response = await served.get("/api/jobs/bg_1");
    assert.doesNotMatch(await response.clone().text(), /SECRET PROMPT/u);
    const job = await json(response);
    assert.equal(job["kind"], "subagent");
    assert.equal((await served.get("/api/jobs/bg_9")).status, 404);
  });

  void it("finds a job whose id was given out just now", async (t) => {
    const { served, made } = await withJobs(t);
    await served.get("/api/jobs");
    made.jobs.add(processJob("proc_new"));
    await made.store.flush();
    assert.equal((await served.get("/api/jobs/proc_new")).status, 200);
  });

  for (const [query, ids] of [
    ["kind=process", ["proc_1"]],
    ["tag=web", ["proc_1"]],
    ["directory=/project", ["bg_1", "bg_2", "proc_1"]],
    ["directory=/proj", []],
    ["status=completed", []],
    ["sessionID=ses_root&kind=subagent", ["bg_1", "bg_2"]],
  ] as const) {
    void it(`filters by ${query}`, async (t) => {
      const { served } = await withJobs(t);
      const { jobs } = await json(await served.get(`/api/jobs?${query}`));
      assert.ok(Array.isArray(jobs));
      assert.deepEqual(jobs.map(({ id }: { id: string }) => id).sort(), ids);
    });
  }

  for (const [path, words] of [
    ["/api/jobs?status=dead", /^status: /u],
    ["/api/jobs?nonsense=1", /^nonsense: /u],
    ["/api/jobs/proc_1/output?lines=0", /^lines: /u],
    ["/api/jobs/proc_1/output?lines=x", /^lines: expected a whole number from 1 to 10000$/u],
    ["/api/jobs/proc_1/output?mode=grep", /^pattern: /u],
    ["/api/jobs/proc_1/stream?offset=-1", /^offset: /u],
  ] as const) {
    void it(`refuses ${path} and names the field`, async (t) => {
      const { served } = await withJobs(t);
      const response = await served.get(path);
      assert.equal(response.status, 400);
      assert.match(String((await json(response))["error"]), words);
    });
  }

  void it("gives pages of output and finds lines", async (t) => {
    const { served, made } = await withJobs(t);
    const log = new OutputLog(
      join(made.store.outputFolder(), "proc_1.log"),
      1_000_000,
      systemClock,
    );
    for (let n = 1; n <= 500; n += 1) log.append(STDOUT, Buffer.from(`line ${n}\n`));
    log.close();
    const tail = await json(await served.get("/api/jobs/proc_1/output?lines=2"));
    assert.match(String(tail["text"]), /line 499\nline 500/u);
    const found = await json(await served.get("/api/jobs/proc_1/output?mode=grep&pattern=%20250$"));
    assert.equal(found["matches"], 1);
    const page = await json(await served.get("/api/jobs/proc_1/output?mode=full&offset=0"));
    assert.equal(page["start"], 0);
    assert.equal((await served.get("/api/jobs/bg_1/output")).status, 409);
  });

  void it("streams output as it comes, then the end", async (t) => {
    const { served, made } = await withJobs(t);
    const log = new OutputLog(
      join(made.store.outputFolder(), "proc_1.log"),
      1_000_000,
      systemClock,
    );
    log.append(STDOUT, Buffer.from("before\n"));
    const next = await events(t, await served.get("/api/jobs/proc_1/stream"));
    assert.equal((await next())?.data["text"], "before\n");
    log.append(STDERR, Buffer.from("after\n"));
    const second = await next();
    assert.deepEqual(
      [second?.event, second?.data["stream"], second?.data["text"]],
      ["chunk", "stderr", "after\n"],
    );
    log.close();
    made.jobs.end("proc_1", { status: "completed", reason: "finished", at: new Date() });
    await made.store.flush();
    assert.equal((await next())?.event, "end");
    assert.equal(await next(), undefined);
  });

  void it("ends the stream of a run when the process was started again meanwhile", async (t) => {
    const { served, made } = await withJobs(t);
    const file = join(made.store.outputFolder(), "proc_1.log");
    const log = new OutputLog(file, 1_000_000, systemClock);
    log.append(STDOUT, Buffer.from("of the first run\n"));
    const next = await events(t, await served.get("/api/jobs/proc_1/stream"));
    assert.equal((await next())?.data["text"], "of the first run\n");
    log.close();
    made.jobs.end("proc_1", { status: "completed", reason: "finished", at: new Date() });
    made.jobs.rerun("proc_1", { run: 2 });
    // No reader of the state ever sees that it had ended.
    await made.store.flush();
    assert.equal((await next())?.event, "end");
    assert.equal(await next(), undefined);
  });

  void it("tells a reader that is slower than the process how much it missed", async (t) => {
    const { served, made } = await withJobs(t);
    const limit = 512 * 1_024;
    const log = new OutputLog(join(made.store.outputFolder(), "proc_1.log"), limit, systemClock);
    const total = 3 * limit;
    for (let n = 0; n < total / 1_024; n += 1) log.append(STDOUT, Buffer.alloc(1_024, "x"));
    log.close();
    made.jobs.end("proc_1", { status: "completed", reason: "finished", at: new Date() });
    await made.store.flush();
    const next = await events(t, await served.get("/api/jobs/proc_1/stream"));
    let seen = 0;
    for (let piece = await next(); piece && piece.event !== "end"; piece = await next()) {
      seen += String(piece.data["text"]).length + Number(piece.data["skipped"] ?? 0);
    }
    assert.equal(seen, total);
  });

  void it("gives a reader that sets a pace the newest, and says how much it left out", async (t) => {
    const { served, made } = await withJobs(t);
    const file = join(made.store.outputFolder(), "proc_1.log");
    const log = new OutputLog(file, 64 * 1_024 * 1_024, systemClock);
    t.after(() => log.close());
    const burst = 8 * 1_024 * 1_024;
    const piece = Buffer.alloc(64 * 1_024, "x");
    for (let n = 0; n < 1.5 * burst; n += piece.length) log.append(STDOUT, piece);
    log.append(STDOUT, Buffer.from("the newest\n"));
    const next = await events(t, await served.get("/api/jobs/proc_1/stream?most=1000000"));
    let seen = 0;
    let skipped = 0;
    for (let last = ""; !last.endsWith("the newest\n");) {
      const { data } = (await next()) ?? assert.fail("it ended");
      last = String(data["text"]);
      seen += last.length;
      skipped += Number(data["skipped"] ?? 0);
      assert.match(String(data["at"]), /^\d{4}-/u);
    }
    assert.equal(seen + skipped, 1.5 * burst + 11);
    assert.ok(skipped >= 0.4 * burst && seen <= 1.1 * burst, `${seen} seen, ${skipped} skipped`);
  });

  void it("tells changes, goes on after Last-Event-ID, and starts anew after an unknown one", async (t) => {
    const { served, made } = await withJobs(t);
    const next = await events(t, await served.get("/api/events"));
    assert.equal((await next())?.event, "reset");
    for (let n = 0; n < 3; n += 1) assert.equal((await next())?.event, "job.updated");
    made.jobs.updateSubagent("bg_1", { name: "renamed" });
    await made.store.flush();
    const changed = await next();
    assert.equal(changed?.event, "job.updated");
    made.jobs.remove("bg_1");
    await made.store.flush();
    const removed = await next();
    assert.deepEqual(removed?.data, { type: "job.removed", id: "bg_1" });
    const headers = { "Last-Event-ID": changed?.id ?? "" };
    const again = await events(t, await served.get("/api/events", { headers }));
    assert.deepEqual((await again())?.data, { type: "job.removed", id: "bg_1" });
    const unknown = { headers: { "Last-Event-ID": "999999" } };
    const anew = await events(t, await served.get("/api/events", unknown));
    assert.equal((await anew())?.event, "reset");
  });

  /** Time passes when the test says so; what waits looks again every few milliseconds. */
  const slowTime = () => {
    const clock = new FakeClock();
    const after = (_: number, callback: () => void) => systemClock.after(5, callback);
    return { clock, taken: { ...systemClock, after, monotonic: () => clock.monotonic() } };
  };

  /** Resolves when the server has read it. */
  const rename = async ({ jobs, store }: Owner, { get }: Fixture, name: string) => {
    jobs.updateProcess("proc_1", { name });
    await store.flush();
    while ((await json(await get("/api/jobs/proc_1")))["name"] !== name);
  };
  const nameOf = (sent: Sent | undefined): string | undefined => {
    const job = sent?.data["job"];
    return typeof job === "object" && job && "name" in job ? String(job.name) : undefined;
  };

  void it("tells a job once a second at most, and its latest state always", async (t) => {
    const { clock, taken } = slowTime();
    const { served, made } = await withJobs(t, { clock: taken });
    const next = await events(t, await served.get("/api/events"));
    for (let n = 0; n < 4; n += 1) await next();
    await clock.advance(1_000);
    await rename(made, served, "first");
    assert.equal(nameOf(await next()), "first");
    await rename(made, served, "second");
    await rename(made, served, "third");
    await clock.advance(1_000);
    assert.equal(nameOf(await next()), "third");
  });

  void it("tells a watcher that reads slowly the latest state, not each in between", async (t) => {
    const { clock, taken } = slowTime();
    const { served, made } = await withJobs(t, { clock: taken });
    const response = await served.get("/api/events");
    // More than the system keeps for a reader that does not read.
    const long = "x".repeat(2 * 1_024 * 1_024);
    const states = 6;
    for (let n = 1; n <= states; n += 1) {
      await clock.advance(1_000);
      made.jobs.updateSubagent("bg_1", { name: `${n} ${long}` });
      await rename(made, served, `${n} is read`);
    }
    const next = await events(t, response);
    const seen: string[] = [];
    while (seen.at(-1) !== String(states)) {
      const name = nameOf((await next()) ?? assert.fail("it ended"));
      if (name?.endsWith(long)) seen.push(name.slice(0, -long.length).trim());
    }
    assert.ok(seen.length < states, seen.join(" "));
  });

  void it("tells that an OpenCode has died, though no file changes", async (t) => {
    const { clock, taken } = slowTime();
    let isDead = false;
    const processes = {
      ...machine,
      hasEnded: (one: ProcessIdentity) => isDead || machine.hasEnded(one),
    };
    const { served } = await withJobs(t, { clock: taken, processes });
    const next = await events(t, await served.get("/api/events"));
    for (let n = 0; n < 4; n += 1) await next();
    await clock.advance(1_000);
    isDead = true;
    assert.match(JSON.stringify((await next())?.data), /"fate":"(?:interrupted|orphan)"/u);
  });

  void it("keeps a silent connection open", async (t) => {
    const { taken } = slowTime();
    const { served } = await withJobs(t, { clock: taken });
    const { body } = await served.get("/api/events");
    const reader = body?.getReader() ?? assert.fail("no body");
    t.after(() => reader.cancel());
    let text = "";
    while (!text.endsWith(": still here\n\n")) {
      const { done, value } = await reader.read();
      assert.equal(done, false);
      text += new TextDecoder().decode(value);
    }
  });

  void it("hands what ends a job to its owner, and its refusal back", async (t) => {
    const root = stateFolder(t);
    await owner(1, root, processJob("proc_1"), subagent("bg_1"));
    const served = await serve(t, root, { refusedFor: "bg_1" });
    const post = { method: "POST" };
    assert.deepEqual(await json(await served.get("/api/jobs/proc_1/stop", post)), {
      text: "stop done",
    });
    assert.equal((await served.get("/api/jobs/proc_1/terminate", post)).status, 200);
    const refused = await served.get("/api/jobs/bg_1/cancel", post);
    assert.equal(refused.status, 409);
    assert.deepEqual(await json(refused), { error: "its owner refuses" });
    assert.equal((await served.get("/api/jobs/proc_9/stop", post)).status, 404);
    assert.deepEqual(served.asked, ["stop proc_1", "stop and remove proc_1", "cancel bg_1"]);
  });

  void it("has no route that starts anything, and none by GET that changes something", async (t) => {
    const { served } = await withJobs(t, { byOpenCode: true });
    for (const action of ["create", "start", "approve"]) {
      const response = await served.get(`/api/jobs/proc_1/${action}`, { method: "POST" });
      assert.equal(response.status, 404, action);
    }
    assert.equal((await served.get("/api/jobs", { method: "POST" })).status, 404);
    for (const action of ["stop", "restart", "write", "answer"]) {
      assert.equal((await served.get(`/api/jobs/proc_1/${action}`)).status, 404);
    }
    assert.deepEqual(served.asked, []);
  });

  const forUser = [
    ["POST", "/api/jobs/proc_1/restart", undefined],
    ["POST", "/api/jobs/proc_1/write", { text: "yes\n" }],
    ["GET", "/api/jobs/bg_1/request", undefined],
    ["POST", "/api/jobs/bg_1/answer", { requestID: "per_1", reply: "once" }],
  ] as const;
  const init = (method: string, body: object | undefined): RequestInit => ({
    method,
    ...(body && { body: JSON.stringify(body) }),
  });
  const waiting = async (t: TestContext, options: Parameters<typeof serve>[2] = {}) => {
    const root = stateFolder(t);
    const asks = { kind: "permission", what: "bash: rm", sessionID: "ses_9", requestID: "per_1" };
    const blockedOn = { ...asks, kind: "permission", since: new Date() } as const;
    await owner(
      1,
      root,
      processJob("proc_1", { command: "npm run dev", stdin: "open" }),
      subagent("bg_1", { blockedOn }),
    );
    await owner(3, root, processJob("proc_3"));
    return serve(t, root, options);
  };

  for (const [method, path, body] of forUser) {
    void it(`refuses ${method} ${path} unless OpenCode has started the server`, async (t) => {
      const served = await waiting(t);
      const response = await served.get(path, init(method, body));
      assert.equal(response.status, 403);
      assert.match(String((await json(response))["error"]), /^only the page that OpenCode itself/u);
      assert.deepEqual(served.asked, []);
    });
  }

  void it("passes on what only the user may do, with the command that was shown", async (t) => {
    const request = {
      kind: "permission",
      requestID: "per_1",
      permission: "bash",
      patterns: ["rm *"],
      detail: "rm -rf build",
    } satisfies RequestView;
    const served = await waiting(t, { byOpenCode: true, requests: { bg_1: request } });
    const said = [];
    for (const [method, path, body] of forUser) {
      said.push(await json(await served.get(path, init(method, body))));
    }
    assert.deepEqual(said, [{ text: "done" }, { text: "done" }, request, { text: "done" }]);
    assert.deepEqual(
      served.asked.map((text): unknown => JSON.parse(text)),
      [
        { method: "restart", jobID: "proc_1", command: "npm run dev" },
        { method: "write", jobID: "proc_1", command: "npm run dev", text: "yes\n" },
        { method: "request", jobID: "bg_1" },
        { method: "reply", jobID: "bg_1", requestID: "per_1", reply: "once" },
      ],
    );
  });

  void it("answers with a conflict, however late it is known that the job's OpenCode has gone", async (t) => {
    const gone = new UserError("the OpenCode that has started this page has ended");
    const asked = deferred<undefined>();
    const answer = deferred<never>();
    const ways = [
      () => {
        throw gone;
      },
      () => {
        asked.resolve(undefined);
        return answer.promise;
      },
    ];
    const actForUser = (): Promise<never> => ways.shift()?.() ?? assert.fail("asked once more");
    const served = await waiting(t, { byOpenCode: true, actForUser });
    const restart = () => served.get("/api/jobs/proc_1/restart", { method: "POST" });
    const before = await restart();
    const during = restart();
    await asked.promise;
    answer.reject(gone);
    for (const refused of [before, await during]) {
      assert.equal(refused.status, 409);
      assert.deepEqual(await json(refused), { error: gone.message });
    }
  });

  void it("takes no command, folder or environment, and names what is wrong", async (t) => {
    const served = await waiting(t, { byOpenCode: true });
    for (const [path, body, words] of [
      ["proc_1/write", { text: "x", command: "rm" }, /^command: /u],
      ["proc_1/write", { text: 1 }, /^text: /u],
      ["bg_1/answer", { requestID: "per_1", reply: "yes" }, /./u],
      ["bg_1/answer", undefined, /^body: /u],
    ] as const) {
      const response = await served.get(`/api/jobs/${path}`, init("POST", body));
      assert.equal(response.status, 400, path);
      assert.match(String((await json(response))["error"]), words);
    }
    const long = { text: "x".repeat(70_000) };
    const response = await served.get("/api/jobs/proc_1/write", init("POST", long));
    assert.equal(response.status, 413);
    const ticket = init("POST", { ticket: "x".repeat(70_000) });
    assert.equal((await served.get("/api/ticket", ticket)).status, 413);
    assert.deepEqual(served.asked, []);
  });

  void it("says what is possible with a job, and refuses the rest", async (t) => {
    const served = await waiting(t, { byOpenCode: true });
    const { jobs } = await json(await served.get("/api/jobs"));
    assert.ok(Array.isArray(jobs));
    const possible = jobs.map(({ id, actions }: { id: string; actions: string[] }) => [
      id,
      actions,
    ]);
    assert.deepEqual(Object.fromEntries(possible), {
      proc_1: ["stop", "terminate", "restart", "write"],
      bg_1: ["cancel", "answer"],
      // Its owner is gone.
      proc_3: [],
    });
    const response = await served.get("/api/jobs/proc_3/restart", { method: "POST" });
    assert.equal(response.status, 409);
    assert.deepEqual(served.asked, []);
  });

  void it("gives what a subagent said and did", async (t) => {
    const at = new Date(0).toISOString();
    const said = [{ at, role: "assistant", kind: "tool", text: "ls", tool: "bash" }] as const;
    const { served } = await withJobs(t, { said: [...said] });
    assert.deepEqual(await json(await served.get("/api/jobs/bg_1/transcript")), { entries: said });
    assert.equal((await served.get("/api/jobs/proc_1/transcript")).status, 409);
  });

  void it("is described by an OpenAPI document that names every route", async (t) => {
    const { served } = await withJobs(t);
    const document = await json(await served.get("/api/openapi.json"));
    assert.deepEqual(document, JSON.parse(JSON.stringify(openApiDocument())));
    assert.equal(document["openapi"], "3.1.0");
    const { paths } = document;
    assert.ok(typeof paths === "object" && paths !== null);
    assert.deepEqual(Object.keys(paths), [
      "/api/jobs",
      "/api/jobs/{id}",
      "/api/jobs/{id}/output",
      "/api/jobs/{id}/stream",
      "/api/events",
      "/api/jobs/{id}/stop",
      "/api/jobs/{id}/terminate",
      "/api/jobs/{id}/cancel",
      "/api/jobs/{id}/restart",
      "/api/jobs/{id}/write",
      "/api/jobs/{id}/request",
      "/api/jobs/{id}/answer",
      "/api/jobs/{id}/transcript",
      "/api/confirm",
      "/api/ticket",
    ]);
  });

  void it("says that a port is taken, and takes no other", async (t) => {
    const other = createServer().listen(0, "127.0.0.1");
    t.after(() => other.close());
    await once(other, "listening");
    const address = other.address();
    assert.ok(address && typeof address === "object");
    await assert.rejects(serve(t, stateFolder(t), { port: address.port }), {
      name: "UserError",
      message: /^port \d+ of 127\.0\.0\.1: another program has it$/u,
    });
  });
});

void describe("the web server refuses", () => {
  void it("a missing, wrong, or misplaced token", async (t) => {
    const { served } = await withJobs(t);
    const url = `http://127.0.0.1:${served.port}/api/jobs`;
    assert.equal((await fetch(url)).status, 401);
    assert.equal((await fetch(`${url}?token=${served.token}`)).status, 401);
    assert.equal((await fetch(url, { headers: { Cookie: `token=${served.token}` } })).status, 401);
    assert.equal((await served.get("/api/jobs")).status, 200);
  });

  void it("everything for a minute after ten wrong tokens, also the right one", async (t) => {
    const clock = new FakeClock();
    const { served } = await withJobs(t, {
      clock: { ...systemClock, monotonic: () => clock.monotonic() },
    });
    const wrong = { headers: { Authorization: "Bearer guess" } };
    for (let n = 0; n < 10; n += 1)
      assert.equal((await served.get("/api/jobs", wrong)).status, 401);
    const refused = await served.get("/api/jobs");
    assert.equal(refused.status, 429);
    assert.equal(refused.headers.get("retry-after"), "60");
    await clock.advance(59_999);
    assert.equal((await served.get("/api/jobs")).status, 429);
    await clock.advance(1);
    assert.equal((await served.get("/api/jobs")).status, 200);
  });

  void it("everything for a minute after ten wrong tickets, also the right one", async (t) => {
    const { served } = await withJobs(t);
    const ticket = new URL(served.linkForOnce().link).hash.replace("#ticket=", "");
    const exchange = (given: string) =>
      served.get("/api/ticket", { method: "POST", body: JSON.stringify({ ticket: given }) });
    for (let n = 0; n < 10; n += 1) assert.equal((await exchange("guess")).status, 401);
    assert.equal((await exchange(ticket)).status, 429);
    assert.equal((await served.get("/api/jobs")).status, 429);
  });

  /** A page that was opened by a ticket, as a browser or another process has it. */
  const opened = async (t: TestContext) => {
    const root = stateFolder(t);
    await owner(1, root, processJob("proc_1"));
    const clock = new FakeClock();
    const served = await serve(t, root, {
      byOpenCode: true,
      clock: { ...systemClock, monotonic: () => clock.monotonic() },
    });
    const { link, code } = served.linkForOnce();
    const ticket = new URL(link).hash.replace("#ticket=", "");
    const post = (path: string, body: object, more: RequestInit = {}) =>
      served.get(path, { method: "POST", body: JSON.stringify(body), ...more });
    const exchange = (given: string) => post("/api/ticket", { ticket: given });
    const { token } = await json(await exchange(ticket));
    const headers = { Authorization: `Bearer ${String(token)}` };
    const restart = async () => (await post("/api/jobs/proc_1/restart", {}, { headers })).status;
    const list = async () => (await served.get("/api/jobs", { headers })).status;
    const confirm = async (given: string) =>
      (await post("/api/confirm", { code: given }, { headers })).status;
    return { served, clock, ticket, code, exchange, restart, list, confirm };
  };

  void it("all but showing and ending to a token from a ticket, until it has the ticket's code", async (t) => {
    const { served, clock, code, restart, list, confirm } = await opened(t);
    assert.match(code, /^\d{6}$/u);
    await clock.advance(3_600_000);
    assert.equal(await restart(), 403);
    assert.equal(await list(), 200);
    assert.equal(await confirm(served.linkForOnce().code.replace(code, "another ticket's")), 401);
    assert.equal(await restart(), 403);
    assert.equal(await confirm(code), 200);
    assert.equal(await restart(), 200);
  });

  void it("a token from a ticket after three wrong codes", async (t) => {
    const { served, code, list, confirm } = await opened(t);
    for (let n = 0; n < 3; n += 1) {
      assert.equal(await list(), 200);
      assert.equal(await confirm("guess"), 401);
    }
    assert.equal(await list(), 401);
    assert.equal(await confirm(code), 401);
    assert.equal((await served.get("/api/jobs")).status, 200);
  });

  void it("a ticket that was used, and ends its token then", async (t) => {
    const { served, clock, ticket, code, exchange, restart, list, confirm } = await opened(t);
    assert.equal(await confirm(code), 200);
    assert.equal((await exchange(ticket)).status, 401);
    assert.equal(await restart(), 401);
    assert.equal(await list(), 401);
    assert.equal((await served.get("/api/jobs")).status, 200);
    const late = new URL(served.linkForOnce().link).hash.replace("#ticket=", "");
    await clock.advance(121_000);
    assert.equal((await exchange(late)).status, 401);
    assert.equal((await exchange("guess")).status, 401);
  });

  void it("more than ten wrong tickets a minute, also when they come at once", async (t) => {
    const { served } = await withJobs(t);
    const head = `POST /api/ticket HTTP/1.1\r\nHost: 127.0.0.1:${served.port}\r\nConnection: close\r\nContent-Length: 18\r\n\r\n`;
    // Each of them has begun before one of them is answered.
    const started = Array.from({ length: 30 }, async () => {
      const socket = connect(served.port, "127.0.0.1");
      await once(socket, "connect");
      socket.write(head);
      return socket;
    });
    const sockets = await Promise.all(started);
    assert.equal((await served.get("/api/jobs")).status, 200);
    const answers = sockets.map(async (socket) => {
      let text = "";
      socket.on("data", (data) => (text += data.toString()));
      socket.write('{"ticket":"guess"}');
      await once(socket, "close");
      return / (\d{3}) /u.exec(text)?.[1];
    });
    const said = await Promise.all(answers);
    assert.equal(said.filter((status) => status === "401").length, 10);
    assert.equal(said.filter((status) => status === "429").length, 20);
  });

  void it("nothing more for requests without a token, with which any page can come by a link or a frame", async (t) => {
    const { served } = await withJobs(t);
    for (let n = 0; n < 12; n += 1) {
      assert.match(await raw(served, "/api/jobs", {}), /^HTTP\/1\.1 401 /u);
    }
    assert.equal((await served.get("/api/jobs")).status, 200);
  });

  void it("to be a proxy: the target names another host than the header", async (t) => {
    const { served } = await withJobs(t);
    const given = { Authorization: `Bearer ${served.token}` };
    const answer = await raw(served, "http://evil.example/api/jobs", given);
    assert.match(answer, /^HTTP\/1\.1 421 /u);
  });

  for (const [what, headers, status] of [
    ["another host name (DNS rebinding)", { Host: "evil.example:80" }, 421],
    ["its own name with another port", { Host: "127.0.0.1:1" }, 421],
    ["a page of another site", { Origin: "https://evil.example" }, 403],
    ["a page on another port of this host", { Origin: "http://127.0.0.1:3000" }, 403],
    ["a page without an origin", { Origin: "null" }, 403],
    ["a request of another page that names no origin", { "Sec-Fetch-Site": "same-site" }, 403],
    [
      "the API in another page's frame",
      { "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate" },
      403,
    ],
  ] as const) {
    void it(what, async (t) => {
      const { served } = await withJobs(t);
      const given = { Authorization: `Bearer ${served.token}`, ...headers };
      const answer = await raw(served, "/api/jobs", given);
      assert.match(answer, new RegExp(`^HTTP/1\\.1 ${status} `, "u"));
      assert.doesNotMatch(answer, /proc_1|access-control/iu);
    });
  }

  void it("ids and methods that are none, without an error of its own", async (t) => {
    const { served } = await withJobs(t);
    const status = async (path: string, init?: RequestInit) =>
      (await served.get(path, init)).status;
    for (const id of ["..%2f..%2fetc", "%00", "__proto__", "constructor", "%ff", "proc_1%2f.."]) {
      for (const what of ["", "/output", "/stream", "/transcript"]) {
        assert.equal(await status(`/api/jobs/${id}${what}`), 404, id + what);
      }
    }
    // A stream that is asked for its head would go on without a reader.
    for (const path of ["events", "jobs", "jobs/proc_1/stream"]) {
      assert.equal(await status(`/api/${path}`, { method: "HEAD" }), 405, path);
    }
    for (const method of ["PUT", "DELETE", "PATCH", "OPTIONS"]) {
      assert.equal(await status("/api/jobs/proc_1", { method }), 404, method);
    }
  });

  void it("a second host, origin or authorization beside the right one", async (t) => {
    const { served } = await withJobs(t);
    const host = `127.0.0.1:${served.port}`;
    for (const [name, value, other, expected] of [
      ["Host", host, "evil.example", 421],
      ["Origin", `http://${host}`, "https://evil.example", 403],
      ["Authorization", "Bearer guess", `Bearer ${served.token}`, 401],
    ] as const) {
      const twice = { [name]: `${value}\r\n${name}: ${other}` };
      const given = { Authorization: `Bearer ${served.token}`, ...twice };
      const answer = await raw(served, "/api/jobs", given);
      assert.match(answer, new RegExp(`^HTTP/1\\.1 ${expected} `, "u"), name);
    }
  });

  void it("paths that lead out of the page", async (t) => {
    const { served } = await withJobs(t);
    for (const path of ["/../package.json", "/%2e%2e/package.json", "//etc/passwd"]) {
      assert.match(await raw(served, path, {}), /^HTTP\/1\.1 404 /u);
    }
  });

  void it("to be framed, sniffed, cached or scripted from elsewhere", async (t) => {
    const { served } = await withJobs(t);
    for (const path of ["/", "/main.js", "/api/jobs", "/nowhere"]) {
      const { headers } = await served.get(path);
      const policy = headers.get("content-security-policy") ?? "";
      assert.match(policy, /default-src 'none'; script-src 'self'; style-src 'self'/u);
      assert.doesNotMatch(policy, /unsafe|\*|data:/u);
      assert.match(policy, /frame-ancestors 'none'/u);
      assert.equal(headers.get("x-content-type-options"), "nosniff");
      assert.equal(headers.get("cache-control"), "no-store");
      assert.equal(headers.get("access-control-allow-origin"), null);
    }
  });
});
