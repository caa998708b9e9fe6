/**
 * The variables that a plain command may set. Promises: a name counts as harmless only if it is on the
 * list, because shells, loaders and programs take code and paths of programs from others.
 */

const HARMLESS = new Set(
  (
    "PORT HOST HOSTNAME ADDR ADDRESS URL BASE_URL API_URL NODE_ENV APP_ENV RAILS_ENV RACK_ENV MIX_ENV FLASK_ENV " +
    "BABEL_ENV ENVIRONMENT STAGE MODE TARGET PROFILE CI DEBUG VERBOSE QUIET LOG_LEVEL RUST_LOG RUST_BACKTRACE FORCE_COLOR " +
    "NO_COLOR CLICOLOR TERM TZ LANG LC_ALL LC_CTYPE BROWSERSLIST_ENV " +
    "PYTHONUNBUFFERED PYTHONDONTWRITEBYTECODE PYTHONIOENCODING PIP_NO_CACHE_DIR GOOS GOARCH CGO_ENABLED " +
    "NEXT_TELEMETRY_DISABLED DO_NOT_TRACK HUSKY SKIP COVERAGE TEST TESTS HEADLESS DRY_RUN WASM WASM_SYNC " +
    "ANALYZE GENERATE_SOURCEMAP RELEASE VERSION TAG BRANCH COMMIT NAME DIR FILE FILES OUT OUTPUT SRC DEST ROOT " +
    "PID RESULT COUNT TOTAL TIMEOUT WORKERS JOBS MIN MAX FOO BAR BAZ " +
    "dir file files name names out output src dest root base tmp url host port pid pids line lines item " +
    "items key value val count total num size index result results res response resp code version tag " +
    "branch commit sha user id ids token body data json text msg message log pkg pkgs package packages " +
    "service test tests target mode arg ext env target_dir temp tmpdir start end now date ts"
  ).split(" "),
);

const LETTER = /^[A-Za-z]$/;
/** What build tools put into web pages, switches, and addresses of servers. */
const FAMILIES =
  /^(?:(?:VITE|NEXT_PUBLIC|NUXT_PUBLIC|REACT_APP|ENABLE|DISABLE|FORCE|SKIP)_\w+|\w+_(?:PID|PORT|LEVEL|SNAPSHOT))$/;

export function isHarmlessVariable(name: string): boolean {
  return HARMLESS.has(name) || LETTER.test(name) || FAMILIES.test(name);
}

/** Text that a shell would run if it evaluated the variable (`x[y]`, too), and what ends a line. */
export function carriesCode(value: string): boolean {
  return /\$\(|[`[\r\n]/.test(value);
}
