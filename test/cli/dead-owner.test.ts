/** What ran when its OpenCode died ended with that one's last sign of life, in every list. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { duration } from "../../src/tui/describe.js";
import { readInstances } from "../../src/store/instances.js";
import { FakeClock } from "../fakes/clock.js";
import { useFolders } from "../fakes/folders.js";
import { age } from "../store/dead-owner.js";
import { processJob, subagent } from "../store/records.js";
import { NOW } from "../store/support.js";
import { call, machine, owner } from "./support.js";

const folder = useFolders();

void describe("jobs of an owner that died", () => {
  void it("ended when it wrote last, in the command line's lists and in the terminal", async () => {
    const root = folder();
    const { store } = await owner(2, root, processJob("proc_1"), subagent("bg_1"));
    // The jobs began at 10:00, it wrote last at 11:30, and now it is 12:00.
    age(store.folder, new FakeClock(NOW), 30 * 60_000);
    const { out } = await call(["ls", "--root", root]);
    assert.match(out, /^bg_1 +task +interrupted +- +1 h 30 min /mu);
    assert.match(out, /^proc_1 +process +interrupted +- +1 h 30 min /mu);
    const json = await call(["ls", "--json", "--root", root]);
    assert.match(json.out, /"lastSign": "2026-11-21T11:30:00\.000Z"/u);
    const [view] = await readInstances(root, undefined, machine);
    const [job] = view?.jobs ?? [];
    assert.ok(view && job);
    const shown = { job, folder: view.folder, directory: "/", ownerAlive: false };
    assert.equal(duration({ ...shown, lastSign: view.lastSign }, NOW), "1h30m");
  });
});
