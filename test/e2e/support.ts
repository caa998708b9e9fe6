/** What the e2e tests of this plugin share: how a scripted agent launches, and what a notice is. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { endWithUs } from "../../fixtures/host/end-with-us.js";
import { environment } from "../../fixtures/host/folders.js";
import { OPENCODE_BINARY, type Faults, type Host } from "../../fixtures/host/index.js";
import { MARKER } from "../../fixtures/host/survivors.js";
import { toolCall, type ModelRequest, type ScriptedModel } from "../../fixtures/model/index.js";

export const HEADER = "[Automatic event from the background manager.";

export interface TestBed {
  readonly model: ScriptedModel;
  readonly host: Host;
}

/** The call of a model that starts a subagent; its prompt also names the script that answers it. */
export function launch(prompt: string, extra: object = {}) {
  const description = prompt.slice(0, 60);
  return toolCall("createBackgroundTask", { description, prompt, agent: "general", ...extra });
}

/** A command that goes on only when the test says so: until then it outlives the call that starts it. */
export function held({ host }: TestBed, command: string) {
  const file = join(host.project, `.go-${randomUUID()}`);
  return {
    command: `until [ -e ${file} ]; do sleep 0.05; done; ${command}`,
    go: () => writeFileSync(file, ""),
  };
}

/** The ids of the jobs that tool answers in this session named, in order, each once. */
export function jobIds({ model }: TestBed, sessionID: string): string[] {
  const answers = model.turns(sessionID).flatMap((turn) => turn.toolResults);
  return [...new Set(answers.join("\n").match(/\b(?:bg|proc)_[0-9a-z]{10}\b/gu))];
}

export function firstJob(bed: TestBed, sessionID: string): string {
  const [id] = jobIds(bed, sessionID);
  assert.ok(id, `no job was started in ${sessionID}`);
  return id;
}

/** All notices that a request shows, oldest first. */
export function noticesIn(request: ModelRequest): string[] {
  return request.userTexts.flatMap((text) => {
    const start = text.indexOf(HEADER);
    return start < 0 ? [] : [text.slice(start)];
  });
}

/** The newest notice of the first request of this session that shows one which matches. */
export async function noticeTo(
  { model }: TestBed,
  sessionID: string,
  pattern = /./u,
  timeoutMs = 60_000,
): Promise<string> {
  const find = (request: ModelRequest) => noticesIn(request).findLast((text) => pattern.test(text));
  const request = await model.waitForRequest(
    (each) => each.conversation === sessionID && find(each) !== undefined,
    { timeoutMs, what: `a notice ${pattern} in ${sessionID}` },
  );
  return find(request) ?? "";
}

/** Resolves once a notice that matches is stored in the session, whether the model was shown it or not. */
export async function noticeStored(
  { host }: TestBed,
  sessionID: string,
  pattern = /./u,
): Promise<void> {
  await host.waitFor(
    "message.part.updated",
    ({ part }) =>
      part.sessionID === sessionID &&
      part.type === "text" &&
      part.text.includes(HEADER) &&
      pattern.test(part.text),
  );
}

/** How often the session was told of this job, over its whole history as the model sees it. */
export function timesTold({ model }: TestBed, sessionID: string, jobID: string): number {
  const last = model.turns(sessionID).at(-1);
  const texts = last ? noticesIn(last) : [];
  return texts.filter((text) => text.includes(`<background_job id="${jobID}"`)).length;
}

/** `opencode run` beside the server of the bed; `marker` is in the environment of whatever it starts. */
export function startRun({ host }: TestBed, said: string) {
  const marker = randomUUID();
  const run = spawn(OPENCODE_BINARY, ["run", said], {
    cwd: host.project,
    env: { ...environment(host.folders), [MARKER]: marker },
    detached: true,
    stdio: "ignore",
  });
  const pid = run.pid ?? 0;
  const release = endWithUs(pid);
  /** Its exit code, or the signal that ended it. */
  const ended = once(run, "exit").then(([code, signal]: unknown[]) => {
    release();
    return code ?? signal;
  });
  return { marker, pid, ended, kill: (signal: NodeJS.Signals) => run.kill(signal) };
}

export async function childOf({ host }: TestBed, sessionID: string): Promise<string> {
  const created = await host.waitFor("session.created", ({ info }) => info.parentID === sessionID);
  return created.properties.sessionID;
}

/** How the address of a request ends that prompts a session. */
export const PROMPT_URL = "/prompt_async";

/** Whether a request's body names this text. */
export function carries(body: object, text: string): boolean {
  return JSON.stringify(body).includes(text);
}

/** The child that is told this: known before the host is asked to tell it. */
export function childTold({ faults }: { readonly faults: Faults }, prompt: string): () => string {
  let child = "";
  faults.onRequest(({ url, body }) => {
    // A notice to the parent names it, too, later.
    if (url.endsWith(PROMPT_URL) && carries(body, prompt)) child ||= url.split("/")[2] ?? "";
    return undefined;
  });
  return () => child;
}
