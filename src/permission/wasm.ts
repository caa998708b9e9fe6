// Where the two WebAssembly files of the shell parser are. Promises: the same function finds them in
// the built package (beside the bundle) and in a source checkout (in node_modules).
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

export interface WasmFiles {
  /** web-tree-sitter's own runtime. */
  readonly runtime: string;
  /** The Bash grammar. */
  readonly grammar: string;
}

export type LocateWasm = () => WasmFiles;

export const locateWasm: LocateWasm = () => {
  const runtime = fileURLToPath(new URL("web-tree-sitter.wasm", import.meta.url));
  const grammar = fileURLToPath(new URL("tree-sitter-bash.wasm", import.meta.url));
  if (existsSync(runtime) && existsSync(grammar)) return { runtime, grammar };

  const { resolve } = createRequire(import.meta.url);
  return {
    runtime: resolve("web-tree-sitter/web-tree-sitter.wasm"),
    grammar: resolve("tree-sitter-bash/tree-sitter-bash.wasm"),
  };
};
