/**
 * The variables that a plain command may set. Promises: a name counts as harmless only if it is on the list, because
 * shells, loaders and programs take code and paths of programs from others.
 */
import { opaque } from "./words.js";

const HARMLESS = new RegExp(
  "^(?:[A-Za-z]|PORT|HOST|(?:NODE|APP|RAILS|BABEL)_ENV|CI|DEBUG|VERBOSE|LOG_LEVEL|RUST_LOG|RUST_BACKTRACE|NO_COLOR|" +
    "TERM|TZ|GOOS|GOARCH|CGO_ENABLED|PYTHONUNBUFFERED|COVERAGE|MINIFY|WASM|WASM_SYNC|VERSION|NAME|DIR|FILE|OUT|PID|FOO|BAR|" +
    "dir|files?|names?|out|output|src|url|host|port|pid|line|item|key|value|count|result|code|version|tag|branch|" +
    // What build tools put into web pages, switches, and addresses of servers.
    String.raw`(?:VITE|NEXT_PUBLIC|REACT_APP|ENABLE|DISABLE|FORCE|SKIP)_\w+|\w+_(?:PID|PORT|LEVEL|SNAPSHOT))$`,
);
// In other ones a character may end with the byte of a backslash, and what that escapes runs.
const LOCALE = /^(?:LANG|LC_ALL)=(["']?)(?:C|POSIX|[\w.]+\.utf-?8)\1$/i;

/** A value that a shell would run if it evaluated the variable (`x[y]`, too), or that ends a line, is not harmless. */
export const isHarmlessVariable = (name: string, value = "") =>
  (HARMLESS.test(name) || LOCALE.test(`${name}=${value}`)) && !/\$\(|[`[\r\n]/.test(value);

/** @param assignment `NAME=value` or the name alone. */
export function assertHarmless(assignment: string): void {
  const name = assignment.replace(/=.*/su, "");
  if (!HARMLESS.test(name) && !LOCALE.test(assignment))
    opaque(`a value for the variable ${name}`, "use `env` of the tool, or a short name");
}
