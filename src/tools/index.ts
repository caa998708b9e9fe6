/** The nine tools by the names that the agent calls them. */
import type { ToolDefinition } from "@opencode-ai/plugin";
import {
  cancelBackgroundTasks,
  killProcesses,
  listBackgroundProcesses,
  listBackgroundTasks,
} from "./select-jobs.js";
import { createBackgroundProcess } from "./create-process.js";
import { createBackgroundTask } from "./create-task.js";
import type { Ready } from "./define.js";
import { getBackgroundProcess } from "./get-process.js";
import { getBackgroundTask } from "./get-task.js";
import { writeBackgroundProcess } from "./write-process.js";

const TOOLS = {
  createBackgroundProcess,
  writeBackgroundProcess,
  getBackgroundProcess,
  listBackgroundProcesses,
  killProcesses,
  createBackgroundTask,
  getBackgroundTask,
  listBackgroundTasks,
  cancelBackgroundTasks,
};

export function createTools(ready: Ready): Record<string, ToolDefinition> {
  return Object.fromEntries(Object.entries(TOOLS).map(([name, make]) => [name, make(ready)]));
}
