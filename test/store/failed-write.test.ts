/** A write that fails: the old state stays, it is said once, and it is tried again. */
import assert from "node:assert/strict";
import fs, { readdirSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { join } from "node:path";
import { describe, it, mock } from "node:test";
import { systemClock } from "../../src/ports.js";
import { diskFiles, save, saveSync } from "../../src/store/files.js";
import { useFolders } from "../fakes/folders.js";
import { holdings, newHoldings } from "../process/support.js";
import { MemoryFiles, type Step, SystemError, watched, WRITE_STEPS } from "./disk.js";
import { setUp } from "./writer.js";

const folder = useFolders();

/** Fails each time that a write comes to this step. */
function failingAt(step: Step, memory: MemoryFiles, code = "ENOSPC") {
  const fault = { on: true };
  const files = watched((now) => {
    if (fault.on && now === step) throw new SystemError(code);
  }, memory);
  return { files, fault };
}

void describe("a write that fails", () => {
  for (const step of WRITE_STEPS) {
    void it(`at ${step}: keeps the old state, says so once, tries again and saves the new one`, async () => {
      const memory = new MemoryFiles();
      memory.texts.set("/s", "old");
      const { files, fault } = failingAt(step, memory);
      const failures: Error[] = [];
      const onFailure = (error: Error) => void failures.push(error);
      const { writer, clock, lines, change, text } = setUp({ files, onFailure }, memory);
      change();
      await clock.advance(500);
      assert.deepEqual([...memory.texts], [["/s", "old"]]);
      assert.match(failures[0]?.message ?? "", /ENOSPC/);
      await clock.advance(20_000);
      change();
      assert.equal(failures.length, 1);
      assert.equal(lines.filter((line) => line.level === "error").length, 1);
      assert.deepEqual([...memory.texts], [["/s", "old"]]);
      fault.on = false;
      await clock.advance(60_000);
      assert.equal(text(), "2");
      await writer.flush();
      assert.equal(clock.pending, 0);
    });

    void it(`at ${step} of a synchronous save: keeps the old state and tries again later`, async () => {
      const memory = new MemoryFiles();
      memory.texts.set("/s", "old");
      const { files, fault } = failingAt(step, memory);
      const { writer, clock, change, text } = setUp({ files }, memory);
      change();
      assert.equal(writer.flushSync(), false);
      assert.deepEqual([...memory.texts], [["/s", "old"]]);
      fault.on = false;
      await clock.advance(1000);
      assert.equal(text(), "1");
    });
  }

  void it("rejects a flush with the system's error, and a later flush may succeed", async () => {
    const memory = new MemoryFiles();
    const { files, fault } = failingAt("sync", memory, "EIO");
    const { writer, change, text } = setUp({ files }, memory);
    change();
    await assert.rejects(writer.flush(), { code: "EIO" });
    fault.on = false;
    await writer.flush();
    assert.equal(text(), "1");
    await writer.close();
  });

  void it("is tried ever more slowly, at last once a minute", async () => {
    const attempts: number[] = [];
    const { clock, change, writer } = setUp({
      prepare: () => {
        attempts.push(clock.now());
        throw new SystemError("EROFS");
      },
    });
    const start = clock.now();
    change();
    await clock.advance(150_000);
    const seconds = attempts.map((at) => (at - start) / 1000);
    assert.deepEqual(seconds, [0.5, 1.5, 3.5, 8.5, 23.5, 83.5, 143.5]);
    await assert.rejects(writer.close(), { code: "EROFS" });
    assert.equal(clock.pending, 0);
  });

  void it("survives a failing listener", async () => {
    const memory = new MemoryFiles();
    const { files } = failingAt("open", memory);
    const onFailure = () => {
      throw new Error("no toast");
    };
    const { writer, clock, change, lines } = setUp({ files, onFailure }, memory);
    change();
    await clock.advance(500);
    assert.equal(lines.length, 2);
    await assert.rejects(writer.close(), { code: "ENOSPC" });
  });

  void it("is not tried again after the last one", async () => {
    const memory = new MemoryFiles();
    const { files } = failingAt("open", memory);
    const { writer, clock, change } = setUp({ files }, memory);
    change();
    await assert.rejects(writer.close(), { code: "ENOSPC" });
    assert.equal(writer.flushSync(), false);
    assert.equal(clock.pending, 0);
  });

  for (const code of ["EPERM", "EACCES", "EBUSY"]) {
    void it(`at rename with ${code} is repeated on Windows within the write, and nowhere else`, async () => {
      for (const platform of ["win32", "linux"] as const) {
        const memory = new MemoryFiles();
        let left = 3;
        const files = watched((step) => {
          if (step === "rename" && left-- > 0) throw new SystemError(code);
        }, memory);
        const { writer, clock, change, lines, writes } = setUp({ files, platform }, memory);
        change();
        await clock.advance(500 + 200);
        assert.equal(writes(), platform === "win32" ? 1 : 0);
        assert.equal(lines.length, platform === "win32" ? 0 : 1);
        left = 3;
        change();
        assert.equal(writer.flushSync(), platform === "win32");
        left = 0;
        await writer.close();
      }
    });
  }
});

/** A file system whose files' rights cannot be changed, as some network folders are. */
async function withoutRights(use: () => Promise<void>): Promise<void> {
  const refuse = () => {
    throw new SystemError("EPERM");
  };
  mock.method(fs, "chmodSync", refuse);
  syncBuiltinESMExports();
  try {
    await use();
  } finally {
    mock.restoreAll();
    syncBuiltinESMExports();
  }
}

void describe("a file that was opened, but whose rights cannot be set", () => {
  void it("is closed and removed, and the write fails", async () => {
    const base = folder();
    const before = holdings();
    await withoutRights(async () => {
      const path = join(base, "s");
      const saving = { clock: systemClock, isOvertaken: () => false };
      await assert.rejects(save(diskFiles, path, "text", saving), { code: "EPERM" });
      assert.throws(() => saveSync(diskFiles, path, "text"), { code: "EPERM" });
      assert.deepEqual(readdirSync(base), []);
      assert.deepEqual(newHoldings(before), []);
    });
  });
});
