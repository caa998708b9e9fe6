/**
 * Who may see and end what: the jobs of a session's own tree, and global processes. What lies outside is
 * answered as if it were not there.
 */
import { UserError } from "../ports.js";
import {
  isEmptyFilter,
  isJobId,
  jobsNamed,
  matches,
  maySee,
  type JobFilter,
} from "../jobs/filter.js";
import type { Job, ProcessJob, SubagentJob } from "../jobs/job.js";
import { shownValue } from "../text.js";
import type { Workspace } from "../workspace.js";

/** As tools take it. */
type FilterArguments = Omit<JobFilter, "sessionID"> & { sessionId?: string | undefined };

export class Access {
  readonly #workspace: Workspace;
  readonly rootSessionID: string;
  /** Jobs of another tree that this call may read; see `allowReading`. */
  readonly #readable = new Set<string>();

  private constructor(workspace: Workspace, rootSessionID: string) {
    this.#workspace = workspace;
    this.rootSessionID = rootSessionID;
  }

  static async of(workspace: Workspace, sessionID: string): Promise<Access> {
    return new Access(workspace, await workspace.tree.root(sessionID));
  }

  /**
   * Lets this call read a job of another tree whose id stands in the session's own history, in the answer of the call
   * that created it: a fork has copied it. Texts, notices and the output of other tools do not count.
   */
  async allowReading(id: string, sessionID: string): Promise<void> {
    const job = this.#workspace.jobs.get(id);
    // A name is one of a job in reach, and the history is long.
    if (!isJobId(id) || (job && this.may(job))) return;
    const messages = await this.#workspace.host.messages(sessionID);
    const calls = messages.flatMap((message) =>
      message.role === "assistant" ? message.tools : [],
    );
    if (calls.some(({ status, created }) => status === "completed" && created === id)) {
      this.#readable.add(id);
    }
  }

  may(job: Job): boolean {
    return maySee(this.rootSessionID, job);
  }

  /** By id or name. Throws a UserError when no such process is in reach; `owned`: to be changed, not only read. */
  process(id: string, how?: "owned"): ProcessJob {
    const job = this.#workspace.jobs.getProcess(id);
    const isReadable = how !== "owned" && job !== undefined && this.#readable.has(job.id);
    if (job && (this.may(job) || isReadable)) return job;
    return this.#named("process", "processId", id);
  }

  /** By task id, by the id of the child session, also when only its session is left, or by name. */
  async task(id: string): Promise<SubagentJob> {
    const job = await this.#workspace.tasks.find(id, this.rootSessionID);
    if (job && (this.may(job) || this.#readable.has(job.id))) return job;
    return this.#named("subagent", "taskId", id);
  }

  select<K extends Job["kind"]>(kind: K, filter: FilterArguments): Extract<Job, { kind: K }>[] {
    const chosen = toFilter(filter);
    return this.#workspace.jobs
      .all()
      .filter((job): job is Extract<Job, { kind: K }> => job.kind === kind)
      .filter((job) => this.may(job) && matches(job, chosen));
  }

  /** The only one of this name, or the only live one. Throws a UserError that names those in reach. */
  #named<K extends Job["kind"]>(kind: K, field: string, name: string): Extract<Job, { kind: K }> {
    const all = this.select(kind, {});
    const same = jobsNamed(all, name);
    const [job, other] = same;
    if (job && !other) return job;
    const got = shownValue(name);
    const known = (other ? same : all).slice(-10).map(({ id }) => id);
    const ids = known.length > 0 ? known.join(", ") : "none here";
    throw new UserError(
      other
        ? `${field}: expected one id, got ${got}, the name of several: ${ids}`
        : `${field}: expected the id of a ${kind} of this session tree (${ids}) or its name, got ${got}, which is unknown or belongs to another session`,
    );
  }

  /** The jobs of this session's group, both kinds. Throws a UserError when there is none. */
  group(name: string, sessionID: string): Job[] {
    const own = this.#workspace.jobs.byParent(sessionID);
    const members = own.filter(({ group }) => group === name);
    if (members.length > 0) return members;
    const names = [...new Set(own.flatMap(({ group }) => group ?? []))].slice(-10);
    const known = names.length > 0 ? names.map((each) => JSON.stringify(each)).join(", ") : "none";
    throw new UserError(
      `group: expected a group of this session (${known}), got ${JSON.stringify(name)}`,
    );
  }
}

/** What ends a group reaches only the caller's own: another session's may have the same name. */
export function isOwnGroup(job: Job, { group }: FilterArguments, sessionID: string): boolean {
  return group === undefined || job.parentSessionID === sessionID;
}

/** For what ends jobs: throws a UserError when nothing was chosen. */
export function requireFilter(filter: FilterArguments, idName: string): void {
  if (!isEmptyFilter(toFilter(filter))) return;
  throw new UserError(
    `expected at least one of ${idName}, sessionId, status, tags, group, got none; nothing was ended`,
  );
}

export function toFilter({ sessionId, ...rest }: FilterArguments): JobFilter {
  return { ...rest, sessionID: sessionId };
}

/** A name in the form of an id would be taken for one. Throws a UserError. */
export function refuseIdAsName(field: string, name: string | undefined): void {
  if (name === undefined || !isJobId(name)) return;
  throw new UserError(
    `${field}: expected a name, got ${JSON.stringify(name)}, which reads as an id`,
  );
}
