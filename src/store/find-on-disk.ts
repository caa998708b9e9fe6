/** Finds one record in the folders of a project without taking or changing anything. */
import { join } from "node:path";
import type { Job } from "../jobs/job.js";
import { foldersIn } from "./folders.js";
import { CLAIMED_FOLDER, outputPath, STATE_FILE } from "./instance-folder.js";
import { readOwner, type Owner } from "./owner.js";
import { readText } from "./read-text.js";
import { isSafeName, parseState } from "./state-file.js";

export interface StoredJob {
  job: Job;
  /** The instance folder that it is in. */
  folder: string;
  /** Undefined when the folder has none that can be read. */
  owner: Owner | undefined;
  /** Where a process's output is; the file may be missing. */
  outputFile: string;
}

/** Never rejects. `except` is the name of a folder that is not looked into: the asker's own. */
export async function findOnDisk(
  project: string,
  id: string,
  except?: string,
): Promise<StoredJob | undefined> {
  if (!isSafeName(id)) return undefined;
  for (const name of foldersIn(project)) {
    if (name === except) continue;
    const folder = join(project, name);
    const places = foldersIn(join(folder, CLAIMED_FOLDER));
    for (const place of [folder, ...places.map((each) => join(folder, CLAIMED_FOLDER, each))]) {
      const job = await findInFile(join(place, STATE_FILE), id);
      if (!job) continue;
      // A claimer moves the output files before it adopts the records.
      return { job, folder, owner: readOwner(folder), outputFile: outputPath(folder, id) };
    }
  }
  return undefined;
}

async function findInFile(path: string, id: string): Promise<Job | undefined> {
  let text: string;
  try {
    text = await readText(path);
  } catch {
    // Missing, renamed this very moment or unreadable: then it is not here.
    return undefined;
  }
  // Most files do not have it: parsing them would cost far more than looking.
  if (!text.includes(JSON.stringify(id))) return undefined;
  const reading = parseState(text);
  return reading.kind === "read" ? reading.jobs.find((job) => job.id === id) : undefined;
}
