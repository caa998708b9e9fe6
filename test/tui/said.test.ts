// What a process says in the sidebar: the first address of its output, its last line.
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { aProcess } from "../../fixtures/jobs.js";
import { openOutputOf } from "../../fixtures/tui/jobs.js";
import { firstAddress, lastLine } from "../../src/tui/said.js";
import { useFolders } from "../fakes/folders.js";
import { shown } from "./shown.js";

const folder = useFolders();

test("the first address, without what ends its sentence; the last line with something in it", () => {
  const place = folder();
  mkdirSync(join(place, "output"));
  const job = shown(aProcess({ id: "proc_1" }), { folder: place });
  assert.equal(firstAddress(job), undefined);
  assert.equal(lastLine(job), undefined);
  const log = openOutputOf(place, "proc_1");
  log.append(
    0,
    Buffer.from("ready\n  Local: \u001b[36mhttp://localhost:\u001b[1m5173\u001b[0m/.\n"),
  );
  log.append(1, Buffer.from("see https://example.com (later)\n\n"));
  assert.equal(firstAddress(job), "http://localhost:5173/");
  assert.equal(lastLine(job), "see https://example.com (later)");
  log.append(0, Buffer.from("x".repeat(200_000) + "\nlast\u0007 words\n"));
  assert.equal(lastLine(job), "last words");
  log.close();
});
