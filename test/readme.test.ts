/** README's own text: its length and order, and that what it links to is there, in the clone and on the page of npm. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { z } from "zod";
import {
  CDN,
  HOME,
  homeFields,
  linkedFiles,
  packedFiles,
  published,
  unpublished,
} from "../fixtures/package/addresses.js";
import { PACKAGE_ROOT } from "../fixtures/host/paths.js";

const read = (path: string) => readFileSync(join(PACKAGE_ROOT, path), "utf8");
const README = read("README.md");
const DOCS = readdirSync(join(PACKAGE_ROOT, "docs")).map((name) => `docs/${name}`);

test("the page of npm has an address for every picture and link, and the file is in the package", () => {
  const files = linkedFiles(README);
  assert.ok(files.some((file) => file.endsWith(".svg")) && files.length > 8, files.join(", "));
  const packed = packedFiles();
  const page = published(README);
  assert.deepEqual(linkedFiles(page), []);
  for (const file of files) {
    assert.ok(packed.has(file), `${file} is not packed`);
    assert.ok(page.includes(`](${CDN}${file}`), file);
  }
  assert.equal(unpublished(page), README);
  for (const doc of DOCS) {
    assert.ok(packed.has(doc), `${doc} is not packed`);
    assert.ok(
      files.includes(doc) || DOCS.some((each) => linkedFrom(each).includes(doc)),
      `nothing links to ${doc}`,
    );
  }
});

test("links between documents lead to files and headings", () => {
  for (const document of ["README.md", "CONTRIBUTING.md", "src/README.md", ...DOCS]) {
    for (const file of linkedFrom(document)) assert.ok(existsSync(join(PACKAGE_ROOT, file)), file);
  }
  const headings = [...README.matchAll(/^#+ (.*)$/gmu)].map(([, words = ""]) => anchorOf(words));
  for (const [, anchor = ""] of README.matchAll(/\]\(#([^)]+)\)/gu)) {
    assert.ok(headings.includes(anchor), `no heading for #${anchor}`);
  }
});

test("the part up to the tools has at most 100 lines, all of it 350", () => {
  const lines = README.split("\n");
  assert.ok(lines.length <= 350, `${lines.length} lines`);
  const headings = lines.flatMap((line, at) => (line.startsWith("## ") ? [{ line, at }] : []));
  const tools = headings.find(({ line }) => line === "## Tools");
  assert.ok(tools && tools.at <= 100);
  // What a reader wants first comes first.
  assert.deepEqual(
    headings.slice(0, 4).map(({ line }) => line.slice(3)),
    ["Install", "Say this, see this", "See it work", "Contents"],
  );
  assert.equal(headings.at(-1)?.line, "## Limits");
});

test("package.json names the project's address if it has one, in all three fields", () => {
  const manifest = z.record(z.string(), z.unknown()).parse(JSON.parse(read("package.json")));
  const fields = Object.fromEntries(
    ["homepage", "repository", "bugs"].flatMap((field) =>
      field in manifest ? [[field, manifest[field]]] : [],
    ),
  );
  assert.deepEqual(fields, homeFields(HOME));
  assert.deepEqual(Object.keys(homeFields("https://example.invalid/it")).toSorted(), [
    "bugs",
    "homepage",
    "repository",
  ]);
});

/** Below the package's root. */
function linkedFrom(document: string): string[] {
  return linkedFiles(read(document)).map((file) => join(dirname(document), file));
}

/** As GitHub and npm make them. */
function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
    .replaceAll(" ", "-");
}
