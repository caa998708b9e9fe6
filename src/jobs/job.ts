/**
 * The record of one job, as it is held in memory, written to disk and shown. A subagent and a process
 * share everything that a list, a notice or a store needs; the rest is their own part. Records are values:
 * a caller that changes one puts a new one into the registry. Times are Dates here and ISO strings in JSON.
 */
import { z } from "zod";
import { endReason, jobStatus } from "./status.js";

export const date = z.union([z.date(), z.iso.datetime().transform((text) => new Date(text))]);
const count = z.number().int().nonnegative();
const processNotes = z.array(z.object({ pid: z.number().int(), command: z.string() }));

/** What a running job waits for before it can go on. */
const blockedOn = z.object({
  /** `password`: input that is not shown as it is typed, which is the user's to give. */
  kind: z.enum(["permission", "question", "retry", "input", "password"]),
  /** What is asked, or the error that is retried; for people. */
  what: z.string(),
  since: date,
  /** The session that asks: the child or one of its descendants. */
  sessionID: z.string(),
  /** `per_…` or `que_…`: the id that an answer needs; only of a permission and a question. */
  requestID: z.string().optional(),
  /** Of input and a password: what the user types is sealed for this key; see `process/input/sealed.ts`. */
  sealFor: z.string().optional(),
  attempt: count.optional(),
  /** When the host tries again. */
  nextAt: date.optional(),
});
export type BlockedOn = z.infer<typeof blockedOn>;

const shared = {
  id: z.string(),
  /** For people: the task's description, or the process's name. */
  name: z.string(),
  status: jobStatus,
  endReason: endReason.optional(),
  /** What went wrong, in the words of the part that reported it. */
  error: z.string().optional(),
  tags: z.array(z.string()),
  /** Ids of jobs that must have completed, or be ready, before it starts. */
  after: z.array(z.string()).optional(),
  /** Told together with the other jobs of the same session and group. */
  group: z.string().optional(),
  /** Counts up each time that the whole group was told; see `group.ts`. */
  groupRound: count.optional(),
  /** The session whose tool call started the job; its notices go there. */
  parentSessionID: z.string(),
  /** The assistant's message with the tool call that started it: when it is undone, so is the job. */
  parentMessageID: z.string().optional(),
  /** The top of the parent's session tree; the sessions of that tree may see the job. */
  rootSessionID: z.string(),
  /** Tell the parent when the job ends. */
  notify: z.boolean(),
  createdAt: date,
  /** Of the latest run; a continued task has the earlier ones in `runs`. */
  startedAt: date.optional(),
  completedAt: date.optional(),
  blockedOn: blockedOn.optional(),
  /** Since when nothing was heard of a running job. */
  stalledSince: date.optional(),
};

const modelRef = z.object({ providerID: z.string(), modelID: z.string() });
export type ModelRef = z.infer<typeof modelRef>;

/** Of "provider/model", as the host and its users name one; the model's own name may hold slashes. */
export function parseModel(name: string): ModelRef {
  const slash = name.indexOf("/");
  return { providerID: name.slice(0, slash), modelID: name.slice(slash + 1) };
}

/** What one model did of a run that went on with another. */
const modelUse = z.object({
  /** "provider/model". */
  model: z.string(),
  /** US dollars, as the host reports it. */
  cost: z.number().nonnegative(),
  /** Input, output and reasoning. */
  tokens: count,
  /** How it failed; absent for the one that is at work, or that the run ended with. */
  error: z.string().optional(),
});
export type ModelUse = z.infer<typeof modelUse>;

/** One prompt to the child and how it was answered; a continued task has several. */
const run = z.object({
  /** The user message that we sent; its answer has it as `parentID`. */
  promptMessageID: z.string(),
  /** Of a run that was given further instructions: the message that began it. */
  firstPromptMessageID: z.string().optional(),
  startedAt: date,
  completedAt: date.optional(),
  status: jobStatus,
  endReason: endReason.optional(),
  /** Of a run that went on with another model (option `fallbackModels`): all that it was given, in that order. */
  models: z.array(modelUse).optional(),
});
export type Run = z.infer<typeof run>;

/** What became of a worktree's branch, against where it began and against the tree that it was made from. */
const worktreeResult = z.object({
  /** Its newest commit. */
  head: z.string(),
  commits: count,
  files: count,
  added: count,
  deleted: count,
  /** Files that are not committed; more than 0 only where the option or another task leaves them so. */
  uncommitted: count,
  /** What the tree that it was made from has checked out: a branch, or a commit. */
  into: z.string(),
  /** Whether it would merge there; `why` says what kept it from being checked. */
  merge: z.enum(["merged", "clean", "conflicts", "unchecked"]),
  conflicts: z.array(z.string()).optional(),
  why: z.string().optional(),
});
export type WorktreeResult = z.infer<typeof worktreeResult>;

/** The git worktree in which a subagent works. */
const worktree = z.object({
  /** The task that it was made for; others may work in it, too. */
  owner: z.string(),
  /**
   * - `making`: on disk before the host is asked for it, so that a crash loses none;
   * - `ready`: complete, and given to its task;
   * - `kept`: its task has ended, and there is work in it;
   * - `removed`: the folder is gone; the branch may be there.
   */
  state: z.enum(["making", "ready", "kept", "removed"]),
  /** What the host was asked to call it: how it is found after a crash. */
  name: z.string(),
  /** The top of the tree that it was made from. */
  source: z.string(),
  /** The commit that it began at. */
  base: z.string(),
  /** Absolute; absent until the host has named it. */
  folder: z.string().optional(),
  branch: z.string().optional(),
  /** What was copied into it, see `worktree/copies.ts`. */
  copies: z.array(z.object({ path: z.string(), digest: z.string() })),
  /** As it stood at the end of the task. */
  result: worktreeResult.optional(),
  /** What could not be done with it, for people. */
  problem: z.string().optional(),
});
export type WorktreeRecord = z.infer<typeof worktree>;

/** Its record is how a folder and its branch are found: it is kept as long as the folder may be there. */
export function hasWorktree(job: Job): job is SubagentJob & { worktree: WorktreeRecord } {
  return job.kind === "subagent" && job.worktree !== undefined && job.worktree.state !== "removed";
}

const subagentJob = z.object({
  kind: z.literal("subagent"),
  ...shared,
  agent: z.string(),
  model: modelRef.optional(),
  variant: z.string().optional(),
  /** What its session was not given yet: there until the host took it, also in a task that ended before. */
  prompt: z.string().optional(),
  /** The child session, once it exists. */
  sessionID: z.string().optional(),
  /** The worktree that it was given; its own subagents work there without one in their records. */
  worktree: worktree.optional(),
  /** Where its session lives, if that is not the directory of this OpenCode: a worktree. */
  directory: z.string().optional(),
  /** 1 for a subagent of a root session, 2 for its subagent, … */
  depth: count,
  runs: z.array(run),
  progress: z.object({
    /** Tool calls of all runs, each call id counted once. */
    toolCalls: count,
    lastTool: z.string().optional(),
    /** Model requests (assistant messages) of the latest run. */
    steps: count.optional(),
    /** A tool that runs right now. */
    runningTool: z.string().optional(),
    lastUpdate: date,
  }),
  /** Sum over the child's assistant messages, as the host reports them. */
  tokens: z.object({ input: count, output: count, reasoning: count, cacheRead: count }),
  /** US dollars, as the host reports it. */
  cost: z.number().nonnegative(),
  /** Characters of the final (or partial) text; 0 when there was none. */
  resultLength: count.optional(),
  /** The text stops where the run was ended. */
  partial: z.boolean().optional(),
  /** The end of what a run streamed that broke off before the host stored any of it. */
  partialText: z.string().optional(),
});
export type SubagentJob = z.infer<typeof subagentJob>;

/** A process as the system knows it, so that a reused number is never taken for it. */
export const identity = z.object({
  pid: z.number().int().positive(),
  /** Linux: field 22 of /proc/PID/stat (clock ticks since boot); macOS: `ps -o lstart`; Windows: CreationDate. */
  startTime: z.string(),
  /** Linux: /proc/sys/kernel/random/boot_id; elsewhere empty. */
  bootID: z.string(),
});
export type ProcessIdentity = z.infer<typeof identity>;

const output = z.object({
  /** Bytes that the process wrote in all. */
  bytes: count,
  /** Bytes of these that no read can return any more. */
  dropped: count,
  /** Since when output could not be written to disk, and why. */
  missingSince: date.optional(),
  missingError: z.string().optional(),
});

/** An earlier run of a process that was started again. */
const processRun = z.object({
  /** From 1 on. */
  number: z.number().int().positive(),
  command: z.string(),
  startedAt: date.optional(),
  completedAt: date.optional(),
  status: jobStatus,
  endReason: endReason.optional(),
  error: z.string().optional(),
  exitCode: z.number().int().optional(),
  signal: z.string().optional(),
  output,
});
export type ProcessRun = z.infer<typeof processRun>;

export const restartPolicy = z.enum(["on-failure", "always"]);
export type RestartPolicy = z.infer<typeof restartPolicy>;

const processJob = z.object({
  kind: z.literal("process"),
  ...shared,
  command: z.string(),
  /** Absolute. */
  cwd: z.string(),
  shell: z.string(),
  /** Not bound to a session: runs until it is killed or the host ends. */
  global: z.boolean(),
  identity: identity.optional(),
  /** The folder of the control group (Linux, cgroup v2) that holds its processes while it runs, if it has one. */
  controlGroup: z.string().optional(),
  exitCode: z.number().int().optional(),
  /** The signal that ended the shell, for example SIGTERM. */
  signal: z.string().optional(),
  output,
  /** The number of its latest run, with which all the rest of the record is about; 1 when absent. */
  run: z.number().int().positive().optional(),
  /** Earlier runs whose output can be read, oldest first. */
  runs: z.array(processRun).optional(),
  restart: restartPolicy.optional(),
  /** How often the policy has started it again since an agent or the user did, and how it had ended last. */
  restarted: z.object({ count, last: z.string() }).optional(),
  /** Of one that waits for its next run: when the policy starts it. */
  nextStartAt: date.optional(),
  /** It was given variables of its own, whose values are in no record. */
  ownEnvironment: z.boolean().optional(),
  readyTimeoutSeconds: z.number().positive().optional(),
  readyPattern: z.string().optional(),
  readyPort: z.number().int().optional(),
  readyAt: date.optional(),
  /** The line that matched `readyPattern`, without colours, at most 500 characters. */
  readyLine: z.string().optional(),
  notifyPattern: z.string().optional(),
  timeoutSeconds: z.number().positive().optional(),
  /** What it reads: a pipe that stays open, or a terminal; nothing when absent. */
  stdin: z.enum(["open", "terminal"]).optional(),
  /** Its command was given to `bash`, and outlived that call; or what it had left running did. */
  fromBash: z.enum(["moved", "left"]).optional(),
  /** What the shell left running in its group, ended with the job. */
  leftovers: processNotes.optional(),
  /** Of one with an open input: the line that it has begun and not ended, quiet since then. */
  openLine: z.object({ text: z.string(), since: date }).optional(),
  /** SIGKILL was needed to end what was left of it. */
  forced: z.boolean().optional(),
  /** What was still alive after the kill, or may be: shown, never claimed dead. */
  survivors: processNotes.optional(),
  /** Alive at its end and perhaps of it: they hide where they came from. */
  mayBeLeft: processNotes.optional(),
});
export type ProcessJob = z.infer<typeof processJob>;

/** The run of the session that started it is not over while it runs: its agent waits for what it brings. */
export function isWaitedFor(job: Job): boolean {
  return job.kind === "subagent" || job.fromBash === "moved";
}

export const job = z.discriminatedUnion("kind", [subagentJob, processJob]);
export type Job = SubagentJob | ProcessJob;
