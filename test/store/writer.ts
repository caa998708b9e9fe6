// Owns: a writer of the state on a disk in memory, for tests of when and how it writes.
import { StateWriter, type StateWriterOptions } from "../../src/store/state-writer.js";
import { FakeClock } from "../fakes/clock.js";
import { MemoryFiles } from "./disk.js";
import { NOW, recordingLog } from "./support.js";

/** A writer of a growing number, on a disk in memory. */
export function setUp(changes: Partial<StateWriterOptions> = {}, memory = new MemoryFiles()) {
  const clock = new FakeClock(NOW);
  const { log, lines } = recordingLog();
  const state = { value: 0 };
  const content = (): string => String(state.value);
  const writer = new StateWriter({ path: "/s", content, clock, log, files: memory, ...changes });
  const change = (): void => {
    state.value += 1;
    writer.markDirty();
  };
  const writes = () => memory.renames;
  return {
    writer,
    clock,
    memory,
    lines,
    state,
    change,
    writes,
    text: () => memory.texts.get("/s"),
  };
}
