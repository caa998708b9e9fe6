/** `doctor`: who owns what, and what is wrong. Something is wrong with orphans and with files that are broken. */
import { waysOf } from "../platform.js";
import { isTerminal } from "../jobs/status.js";
import { howToAdd, isConfigured } from "../terminal-part.js";
import { counted, elapsed } from "../text.js";
import type { Home } from "../system/control-group.js";
import type { InstanceView } from "../store/instances.js";
import type { Survey } from "./survey.js";
import { PROGRAM } from "./arguments.js";
import { describeEntry } from "./list.js";
import { json, paint, safe, type Colour, type Terminal } from "./terminal.js";
import { describeWorktree, type SeenWorktree } from "./worktrees.js";

export interface Diagnosis {
  text: string;
  /** Nothing is wrong. */
  ok: boolean;
}

/** Directories whose OpenCode runs jobs, or would, and does not show them: the terminal part is in no tui.json. */
export function unseenIn({ instances }: Survey, cwd: string, env: NodeJS.ProcessEnv): string[] {
  const used = instances.flatMap(({ owner }) => owner?.directory ?? []);
  const own = isConfigured("server", cwd, env) ? [cwd] : [];
  return [...new Set([...used, ...own])].filter((each) => !isConfigured("terminal", each, env));
}

export function doctor(
  survey: Survey,
  worktrees: readonly SeenWorktree[],
  unseen: readonly string[],
  groups: Home,
  now: number,
  terminal: Pick<Terminal, "colour">,
): Diagnosis {
  const { root, instances, entries, unwritable } = survey;
  const ok = isWell(survey);
  const lines = [`State folder: ${root}`, `Processes of a job are found by ${foundBy(groups)}.`];
  /** Nothing at all without rows. */
  const section = (
    title: string,
    rows: readonly string[],
    colour: Colour | undefined,
    last = "",
  ) => {
    if (rows.length === 0) return;
    lines.push(
      "",
      colour ? paint(terminal, colour, title) : title,
      ...rows.map((row) => `  ${row}`),
    );
    if (last !== "") lines.push(`  ${last}`);
  };
  if (instances.length === 0) lines.push("No OpenCode has left or keeps any background work here.");
  for (const instance of instances) {
    lines.push("", ...describeInstance(instance, now, terminal));
    const rows = entries.filter((entry) => entry.instance === instance && entry.fate !== "ended");
    for (const entry of rows) lines.push(`    ${describeEntry(entry, now, terminal)}`);
  }
  const orphans = entries.filter(({ fate }) => fate === "orphan").map(({ job }) => job.id);
  section(
    `Orphans (their OpenCode is gone): ${orphans.length}`,
    orphans.map((id) => `${id}: ${PROGRAM} kill ${id}`),
    "red",
  );
  const broken = instances.flatMap(({ folder, problems }) =>
    problems.map((text) => `${folder}: ${safe(text)}`),
  );
  section(`Broken or set aside: ${broken.length}`, broken, "red");
  section(
    `Not writable for this user: ${unwritable.length}`,
    unwritable.map(({ folder, why }) => `${folder}: ${safe(why)}`),
    "red",
    "What OpenCode starts is lost to the next one as long as that lasts.",
  );
  section(
    "Owed by an OpenCode that is gone:",
    debtsOf(survey).flatMap(describeDebt),
    "yellow",
    "Start OpenCode in that directory: it is delivered with the session's next message.",
  );
  section(
    "Jobs are not shown in the terminal there:",
    unseen.map((directory) => safe(directory, 500)),
    "yellow",
    `The terminal part is missing: ${howToAdd()}.`,
  );
  section(
    `Worktrees of subagents: ${worktrees.length}`,
    worktrees.map(describeWorktree),
    undefined,
  );
  const [colour, verdict] = ok
    ? (["green", "All is well."] as const)
    : (["red", "Problems found."] as const);
  lines.push("", paint(terminal, colour, verdict));
  return { text: `${lines.join("\n")}\n`, ok };
}

export function doctorJSON(
  survey: Survey,
  worktrees: readonly SeenWorktree[],
  unseen: readonly string[],
  groups: Home,
): Diagnosis {
  const { root, instances, entries, unwritable } = survey;
  const orphans = entries.filter(({ fate }) => fate === "orphan").map(({ job }) => job.id);
  const ok = isWell(survey);
  const text = json({
    ok,
    root,
    controlGroups: groups,
    orphans,
    unwritable,
    withoutTerminalPart: unseen,
    owed: debtsOf(survey),
    worktrees: worktrees.map(({ folder, branch, task }) => ({
      folder,
      branch,
      task: task?.id,
      state: task?.worktree.state,
      result: task?.worktree.result,
    })),
    instances: instances.map((instance) => ({
      folder: instance.folder,
      state: instance.state,
      pid: instance.owner?.identity?.pid,
      host: instance.owner?.host,
      directory: instance.owner?.directory,
      pluginVersion: instance.owner?.pluginVersion,
      createdAt: instance.owner?.createdAt,
      closedAt: instance.owner?.closedAt,
      savedAt: instance.savedAt,
      unreadNotices: instance.notices.map(({ id, kind, jobID, parentSessionID }) => ({
        id,
        kind,
        jobID,
        parentSessionID,
      })),
      problems: instance.problems,
      jobs: entries
        .filter((entry) => entry.instance === instance)
        .map(({ job, fate }) => ({ id: job.id, kind: job.kind, status: job.status, fate })),
    })),
  });
  return { text, ok };
}

function isWell({ instances, entries, unwritable }: Survey): boolean {
  return (
    unwritable.length === 0 &&
    entries.every(({ fate }) => fate !== "orphan") &&
    instances.every(({ problems }) => problems.length === 0)
  );
}

const MOST_SESSIONS = 10;

/** What sessions have still to be told by the next OpenCode that starts in a directory. */
interface Debt {
  directory: string;
  notices: number;
  /** That are still to be settled: interrupted ones and orphans. */
  jobs: number;
  sessions: string[];
}

function debtsOf({ instances, entries }: Survey): Debt[] {
  return instances.flatMap((instance) => {
    if (instance.state !== "dead" || !instance.owner) return [];
    const open = entries.filter((each) => each.instance === instance && each.fate !== "ended");
    const { notices } = instance;
    if (open.length + notices.length === 0) return [];
    const sessions = [
      ...notices.map(({ parentSessionID }) => parentSessionID),
      ...open.map(({ job }) => job.parentSessionID),
    ];
    const { directory } = instance.owner;
    const jobs = open.length;
    return [{ directory, notices: notices.length, jobs, sessions: [...new Set(sessions)] }];
  });
}

function describeDebt({ directory, notices, jobs, sessions }: Debt): string[] {
  const what = [
    notices > 0 && counted(notices, "notice"),
    jobs > 0 && `the end of ${counted(jobs, "job")}`,
  ];
  const more = sessions.length - MOST_SESSIONS;
  return [
    `${safe(directory)}: ${what.filter(Boolean).join(" and ")}`,
    ...sessions.slice(0, MOST_SESSIONS).map((session) => `  opencode -s ${safe(session)}`),
    ...(more > 0 ? [`  and ${more} more`] : []),
  ];
}

function describeInstance(
  instance: InstanceView,
  now: number,
  terminal: Pick<Terminal, "colour">,
): string[] {
  const { owner, state, jobs, notices, savedAt } = instance;
  const pid = owner?.identity ? `OpenCode ${owner.identity.pid}` : "owner unknown";
  const live = jobs.filter(({ status }) => !isTerminal(status)).length;
  const facts = [
    state === "alive" ? paint(terminal, "green", "running") : whyNot(instance),
    `${live} live and ${jobs.length - live} ended jobs`,
    counted(notices.length, "unread notice"),
  ];
  if (savedAt) facts.push(`saved ${elapsed(now - savedAt.getTime())} ago`);
  return [
    paint(terminal, "bold", safe(owner?.directory ?? instance.folder)),
    `  ${pid}: ${facts.join(", ")}`,
    `  ${paint(terminal, "dim", instance.folder)}`,
  ];
}

function whyNot({ owner, state }: InstanceView): string {
  if (state === "dead") return owner?.closedAt ? "ended in order" : "gone";
  return owner ? `on another machine or in another container (${safe(owner.host)})` : "unknown";
}

/** How a kill finds what a command has started, and what it cannot find. */
export function foundBy(groups: Home, platform?: NodeJS.Platform): string {
  const { processes } = waysOf(platform);
  if (processes === "cim") return "the tree of their parents (taskkill)";
  const always = "their group and their parents";
  if (processes === "ps") return `${always}; one that has left both may survive`;
  return "folder" in groups
    ? `control groups of their own (in ${safe(groups.folder, 500)}), environment, descriptor, group and parents`
    : `their environment, an inherited descriptor, ${always}; no control groups: ${safe(groups.why, 500)}`;
}
