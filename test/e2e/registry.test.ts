/** The registry of the tests of installing: the packed file under its name, everything else from another registry. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Registry } from "../../fixtures/tui/registry.js";

test("a registry has one package and passes the rest on", async () => {
  const bytes = (text: string) => new TextEncoder().encode(text);
  const rest = await Registry.start(
    { name: "other", version: "2.0.0", tarball: bytes("other") },
    "http://127.0.0.1:9/",
  );
  const registry = await Registry.start(
    { name: "one", version: "1.0.0", tarball: bytes("one") },
    rest.url,
  );
  try {
    const ask = async (path: string) => fetch(new URL(path, registry.url));
    assert.match(await (await ask("one")).text(), /"latest":"1\.0\.0"/);
    assert.equal(await (await ask("package.tgz")).text(), "one");
    assert.match(await (await ask("other")).text(), /"latest":"2\.0\.0"/);
    // Nothing answers behind the second one.
    assert.equal((await ask("none")).status, 502);
  } finally {
    await registry.close();
    await rest.close();
  }
});
