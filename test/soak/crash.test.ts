/**
 * A host that is killed at any moment forgets nothing: every job whose id was announced is known after the restart,
 * none is said to run that does not, and each parent is told of each exactly once.
 */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { describe } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { delay, forever, text, toolCall, type ModelRequest } from "../../fixtures/model/index.js";
import { launch, type TestBed } from "../e2e/support.js";
import { useHost } from "../e2e/use-host.js";
import { rounds } from "../rounds.js";

const HOUR_MS = 3_600_000;
const JOBS_OF_A_KIND = 10;
/** The first jobs start some 300 ms after the prompt, the last have ended by then. */
const LATEST_KILL_MS = 4_000;
const ASKED = "what became of them?";
const LISTS = [toolCall("listBackgroundTasks", {}), toolCall("listBackgroundProcesses", {})];

describe("a host that is killed while twenty jobs start, progress and end", () => {
  const bed = useHost({ pluginOptions: { concurrency: 10, toasts: false, keepEnded: 5_000 } });
  const count = rounds(50, 20);

  bed.test(
    `forgets nothing and tells each end once, killed ${count} times`,
    async () => {
      const { host } = bed;
      const sum = { announced: 0, told: 0, lost: 0, doubled: 0, untold: 0, running: 0 };
      for (let round = 0; round < count; round++) {
        const sessionID = await play(bed, round);
        const announced = await announcedJobs(bed, sessionID);
        await host.run(sessionID, ASKED);
        const list = listed(bed, sessionID);
        for (const id of announced) {
          sum.announced += 1;
          if (!list.includes(id)) sum.lost += 1;
          if (new RegExp(`^${id} (?:running|pending)`, "mu").test(list)) sum.running += 1;
          const times = await timesTold(bed, sessionID, id);
          if (times === 0) sum.untold += 1;
          else if (times === 1) sum.told += 1;
          else sum.doubled += 1;
        }
      }
      const broken = readdirSync(host.state, { recursive: true })
        .map(String)
        .filter((name) => /corrupt|rejected/u.test(name));
      console.log(`crashes: ${count}, ${JSON.stringify(sum)}, broken files: ${broken.length}`);
      assert.deepEqual(broken, []);
      const { announced } = sum;
      assert.deepEqual(sum, {
        announced,
        told: announced,
        lost: 0,
        doubled: 0,
        untold: 0,
        running: 0,
      });
    },
    HOUR_MS,
  );
});

/** Starts twenty jobs, kills the host at a random moment and starts it again. */
async function play({ host, model }: TestBed, round: number): Promise<string> {
  const { id } = await host.createSession({ title: `crash ${round}` });
  const name = `round ${round} child`;
  const short = () => Math.round(Math.random() * 2_000);
  model.scriptEvery(name, [[delay(short()), text("done")], forever(text("done"))]);
  const tasks = Array.from({ length: JOBS_OF_A_KIND }, (_, index) => launch(`${name} ${index}`));
  const processes = Array.from({ length: JOBS_OF_A_KIND }, (_, index) =>
    toolCall("createBackgroundProcess", { command: `sleep ${short() / 1_000}; echo ${index}` }),
  );
  // Killed before its first request, the session must not start them when it is asked what became of them.
  const start = (request: ModelRequest) => (isAsked(request) ? LISTS : [...tasks, ...processes]);
  model.scriptSession(id, [start, forever(answer)]);
  await host.prompt(id, `start round ${round}`);
  // The moment itself is what is tried out: no event may choose it.
  await sleep(Math.random() * LATEST_KILL_MS);
  await host.restart("SIGKILL");
  return id;
}

/** Ids in the answers that the session has stored: what the model was told, it may rely on. */
async function announcedJobs({ host }: TestBed, sessionID: string): Promise<string[]> {
  const parts = (await host.messages(sessionID)).flatMap((message) => message.parts);
  const answers = parts.flatMap((part) =>
    part.type === "tool" && part.state.status === "completed" ? [part.state.output] : [],
  );
  return answers.flatMap((answer) => /^(?:bg|proc)_[0-9a-z]{10}/u.exec(answer)?.[0] ?? []);
}

/** Asked what became of them the agent lists its jobs; everything else it only notes. */
function answer(request: ModelRequest) {
  return isAsked(request) ? LISTS : text("noted");
}

function isAsked(request: ModelRequest): boolean {
  return request.messages.at(-1)?.role === "user" && request.allText.includes(ASKED);
}

function listed({ model }: TestBed, sessionID: string): string {
  return model.turns(sessionID).at(-1)?.toolResults.slice(-2).join("\n") ?? "";
}

async function timesTold({ host }: TestBed, sessionID: string, jobID: string): Promise<number> {
  const parts = (await host.messages(sessionID)).flatMap((message) => message.parts);
  const isNotice = `<background_job id="${jobID}"`;
  // A start is answered with an end that comes within its first second.
  const isAnswer = new RegExp(`^${jobID} (?!running|pending)`, "u");
  return parts.filter((part) => {
    if (part.type === "text") return part.synthetic && part.text.includes(isNotice);
    if (part.type !== "tool" || part.state.status !== "completed") return false;
    return part.tool.startsWith("create") && isAnswer.test(part.state.output);
  }).length;
}
