/** When the state is written, what a flush promises, and what stands on a real disk afterwards. */
import assert from "node:assert/strict";
import {
  lstatSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { systemClock, silentLog } from "../../src/ports.js";
import { diskFiles } from "../../src/store/files.js";
import { StateWriter } from "../../src/store/state-writer.js";
import { settle } from "../fakes/clock.js";
import { useFolders } from "../fakes/folders.js";
import { MemoryFiles, watched, WRITE_STEPS } from "./disk.js";
import { setUp } from "./writer.js";

const folder = useFolders();

void describe("when the state is written", () => {
  void it("writes a burst of 10,000 changes once, after the quiet time", async () => {
    const { clock, change, text, writes } = setUp();
    for (let count = 0; count < 10_000; count += 1) change();
    assert.equal(clock.pending, 1);
    await clock.advance(499);
    assert.equal(writes(), 0);
    await clock.advance(1);
    assert.equal(text(), "10000");
    assert.equal(writes(), 1);
    assert.equal(clock.pending, 0);
  });

  void it("writes every two seconds while changes never stop", async () => {
    const { clock, change, writes } = setUp();
    for (let count = 0; count < 10_000; count += 1) {
      change();
      await clock.advance(1);
    }
    assert.ok(writes() >= 4 && writes() <= 6, `${writes()}`);
  });

  void it("writes once more when something changed during a write", async () => {
    const { clock, change, text, memory, writes } = setUp();
    const create = memory.create.bind(memory);
    memory.create = async (path, given) => {
      if (writes() === 0) change();
      return create(path, given);
    };
    change();
    await clock.advance(500);
    await clock.advance(500);
    assert.equal(text(), "2");
    assert.equal(writes(), 2);
  });

  void it("writes soon although the system's clock was set back by a day", async () => {
    const { clock, change, text } = setUp();
    change();
    clock.set(clock.now() - 86_400_000);
    await clock.advance(500);
    assert.equal(text(), "1");
    change();
    await clock.advance(500);
    assert.equal(text(), "2");
  });

  void it("leaves no timer behind and ignores changes after close", async () => {
    const { writer, clock, change, text } = setUp();
    change();
    await writer.close();
    change();
    assert.equal(clock.pending, 0);
    await clock.advance(10_000);
    assert.equal(text(), "1");
  });
});

void describe("flush", () => {
  void it("resolves when the last change is on disk, also one made during a write under way", async () => {
    const { writer, change, text, writes } = setUp();
    change();
    const first = writer.flush();
    change();
    await Promise.all([first, writer.flush()]);
    assert.equal(text(), "2");
    assert.equal(writes(), 2);
  });

  void it("writes nothing when nothing changed", async () => {
    const { writer, writes } = setUp();
    await writer.flush();
    assert.equal(writer.flushSync(), true);
    assert.equal(writes(), 0);
  });

  for (const step of WRITE_STEPS.slice(0, 4)) {
    void it(`saves at once while an older write waits before its ${step}, which then gives up`, async () => {
      const memory = new MemoryFiles();
      let reached: (() => void) | undefined;
      const files = watched((now) => {
        if (now !== step || !reached) return;
        const act = reached;
        reached = undefined;
        act();
      }, memory);
      const { writer, clock, change, state } = setUp({ files }, memory);
      change();
      reached = () => {
        state.value = 7;
        writer.markDirty();
        assert.equal(writer.flushSync(), true);
      };
      await clock.advance(500);
      await settle();
      assert.deepEqual([...memory.texts], [["/s", "7"]]);
      assert.equal(clock.pending, 0);
    });
  }
});

void describe("on a real disk", () => {
  function onDisk(path: string, content: () => string): StateWriter {
    return new StateWriter({ path, content, clock: systemClock, log: silentLog });
  }

  void it("leaves one private file whatever the umask", async () => {
    const umask = process.umask();
    try {
      for (const mask of [0, 0o077, 0o777]) {
        const path = join(folder(), "s.json");
        process.umask(mask);
        let value = "";
        const writer = onDisk(path, () => value);
        for (const save of [() => writer.flush(), () => writer.flushSync()]) {
          value += "x";
          writer.markDirty();
          await save();
          assert.equal(statSync(path).mode & 0o777, 0o600);
        }
        assert.equal(readFileSync(path, "utf8"), "xx");
        await writer.close();
        process.umask(umask);
      }
    } finally {
      process.umask(umask);
    }
  });

  void it("replaces a symbolic link and never writes through it", async () => {
    const base = folder();
    const path = join(base, "s.json");
    writeFileSync(join(base, "precious"), "precious");
    symlinkSync(join(base, "precious"), path);
    const writer = onDisk(path, () => "state");
    writer.markDirty();
    await writer.close();
    assert.equal(readFileSync(join(base, "precious"), "utf8"), "precious");
    assert.ok(lstatSync(path).isFile());
    assert.deepEqual(readdirSync(base).sort(), ["precious", "s.json"]);
  });

  void it("never opens what is there already, a link neither", async () => {
    const base = folder();
    const path = join(base, "temporary");
    symlinkSync(join(base, "elsewhere"), path);
    await assert.rejects(diskFiles.create(path, "text"), { code: "EEXIST" });
    assert.throws(() => diskFiles.createSync(path, "text"), { code: "EEXIST" });
    assert.deepEqual(readdirSync(base), ["temporary"]);
  });

  void it("reports a folder in the place of the file and leaves it alone", async () => {
    const path = folder();
    const writer = onDisk(path, () => "state");
    writer.markDirty();
    await assert.rejects(writer.close());
    assert.ok(lstatSync(path).isDirectory());
  });
});
