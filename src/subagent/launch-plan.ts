/**
 * Everything that is checked before a subagent exists: agent, model, depth, number and rights. A refusal says
 * which limit it was, its value and how to raise it; nothing has happened by then.
 */
import { UserError } from "../ports.js";
import { findAgent } from "../host/agents.js";
import { HostError, type Host, type PermissionRule, type Speaker } from "../host/host.js";
import { latestRealUserMessage } from "../host/latest-user.js";
import type { SessionTree } from "../host/session-tree.js";
import { parseModel, type ModelRef } from "../jobs/job.js";
import type { JobRegistry } from "../jobs/registry.js";
import { isTerminal } from "../jobs/status.js";
import type { WorktreePlan } from "../worktree/worktrees.js";
import type { SubagentDeps } from "./deps.js";
import type { LaunchInput } from "./launcher.js";
import { childRules, mayEdit, mayRunCommands } from "./rights.js";

/** Without `parentMessageID` the model that is passed on is the one that the parent's user chose last. */
type PlanInput = Pick<
  LaunchInput,
  "agent" | "model" | "parentSessionID" | "parentMessageID" | "parentAgent" | "worktree"
>;

export interface LaunchPlan {
  /** As the host spells it. */
  agent: string;
  rootSessionID: string;
  depth: number;
  model: ModelRef | undefined;
  variant: string | undefined;
  rules: PermissionRule[];
  /** The agent could change files: its limits must be seen in force. */
  strict: boolean;
  /** "needless": wanted, for an agent that can change nothing. */
  worktree: WorktreePlan | "needless" | undefined;
  /** The worktree in which the parent lives. */
  directory: string | undefined;
}

/** Of a session that is to be created or to go on. */
export type Limits = Pick<LaunchPlan, "rules" | "strict">;

export async function planLaunch(deps: SubagentDeps, input: PlanInput): Promise<LaunchPlan> {
  const { host, tree, options } = deps;
  const [line, agents] = await Promise.all([lineOf(tree, input.parentSessionID), host.agents()]);
  const rootSessionID = line.at(-1) ?? input.parentSessionID;
  const depth = line.length;
  if (depth > options.maxDepth) {
    throw new UserError(
      `a subagent at depth ${depth} was refused: maxDepth is ${options.maxDepth} (plugin option "maxDepth" raises it). Do the work in this session instead`,
    );
  }
  checkCount(deps.jobs, rootSessionID, options.maxTasksPerSession);
  const agent = findAgent(agents, input.agent);
  const [parent, speaker, explicit] = await Promise.all([
    host.sharedSession(input.parentSessionID),
    speakerOf(host, input),
    input.model === undefined ? undefined : findModel(host, input.model),
  ]);
  if (!parent) throw unknownParent(input.parentSessionID);
  const parentAgent = agents.find(({ name }) => name === (input.parentAgent ?? speaker?.agent));
  const atDepthLimit = depth >= options.maxDepth;
  const inherited = explicit ?? agent.model ?? speaker?.model;
  const own = explicit ? undefined : agent.model ? agent.variant : speaker?.variant;
  const rules = childRules({ parent, parentAgent, atDepthLimit });
  const inForce = [...agent.permission, ...rules];
  const canWork = mayEdit(inForce) || mayRunCommands(inForce);
  const wanted = input.worktree;
  const from = { directory: parent.directory, rootSessionID };
  return {
    agent: agent.name,
    rootSessionID,
    depth,
    model: inherited,
    variant: own,
    rules,
    strict: mayEdit(agent.permission),
    // What an earlier task did is also for those to see who only read.
    worktree:
      wanted === undefined
        ? undefined
        : wanted === true && !canWork
          ? "needless"
          : await deps.worktrees.plan(wanted, from),
    directory: deps.jobs.findBySession(parent.id)?.directory,
  };
}

/** The session and those above it. A program may name one that the host has not. */
async function lineOf(tree: SessionTree, sessionID: string): Promise<string[]> {
  try {
    return await tree.line(sessionID);
  } catch (thrown) {
    const isUnknown = thrown instanceof HostError && thrown.status === 404;
    throw isUnknown ? unknownParent(sessionID) : thrown;
  }
}

function unknownParent(sessionID: string): UserError {
  return new UserError(`parentSessionID: expected a session of OpenCode, got ${sessionID}`);
}

async function speakerOf(
  host: Host,
  { parentSessionID, parentMessageID }: PlanInput,
): Promise<Speaker | undefined> {
  const ofTurn = parentMessageID && (await host.speaker(parentSessionID, parentMessageID));
  return ofTurn || latestRealUserMessage(host, parentSessionID);
}

/** The rules that a live task must be under to be given more by a turn of this agent. */
export async function limitsNow(
  { host, tree, options }: SubagentDeps,
  { agent: name, parentSessionID, parentAgent }: PlanInput,
): Promise<Limits> {
  const [line, agents, parent] = await Promise.all([
    lineOf(tree, parentSessionID),
    host.agents(),
    host.sharedSession(parentSessionID),
  ]);
  if (!parent) throw unknownParent(parentSessionID);
  const speaker = parentAgent ?? (await latestRealUserMessage(host, parentSessionID))?.agent;
  const rules = childRules({
    parent,
    parentAgent: agents.find((each) => each.name === speaker),
    atDepthLimit: line.length >= options.maxDepth,
  });
  return { rules, strict: mayEdit(findAgent(agents, name).permission) };
}

/** Throws a UserError when the session tree has its full number of live subagents. */
export function checkCount(jobs: JobRegistry, rootSessionID: string, most: number): void {
  const live = jobs
    .byRoot(rootSessionID)
    .filter((job) => job.kind === "subagent" && !isTerminal(job.status));
  if (live.length < most) return;
  throw new UserError(
    `this session tree has ${live.length} live subagents already: maxTasksPerSession is ${most} (plugin option "maxTasksPerSession" raises it). Wait for some to end or cancel them`,
  );
}

async function findModel(host: Host, name: string): Promise<ModelRef> {
  const models = await host.models();
  if (models.includes(name)) return parseModel(name);
  const shown = models.toSorted().slice(0, 30).join(", ");
  const rest = models.length > 30 ? `, … (${models.length} in all)` : "";
  throw new UserError(`model: expected one of ${shown}${rest}, got ${JSON.stringify(name)}`);
}
