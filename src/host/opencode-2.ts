/**
 * OpenCode 2 has another plugin API: it calls `setup` of a default export and knows no `server`. 1.18 has a second
 * loader that calls `setup`, too, after it has called `server`: there nothing must happen.
 */
import { PACKAGE, VERSION } from "../version.js";

/** A second copy of this module must find it: a module variable would not do. */
const SERVED = Symbol.for("opencode-background-manager/served");

/** The host has called `server`: it is OpenCode 1. */
export function served(): void {
  Reflect.set(globalThis, SERVED, true);
}

/** Throws what the user of OpenCode 2 reads. */
export function setup(): void {
  if (Reflect.get(globalThis, SERVED) === true) return;
  throw new Error(
    `${PACKAGE} ${VERSION} is for OpenCode 1.18: OpenCode 2 has another plugin API, so take it out of "plugin" there`,
  );
}
