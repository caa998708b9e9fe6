/**
 * The watchdog's program, for any POSIX shell: it is handed over as a text, so that the package needs no file
 * for it. It reads lines from its stdin, whose other end only the host holds:
 *
 *     guard JOB GROUP START      GROUP is the number of a process group, START that of its leader
 *     release JOB
 *
 * At end-of-file the host is gone. Then every guarded group whose leader is still the same process (or that has
 * lost its leader) gets SIGTERM, after less than a second SIGKILL, and with it every process whose environment holds
 * $1, the id of the instance. It reads /proc with the shell alone and needs only `sleep`, on Linux `grep`, on
 * macOS `ps`. What it guards is one text, "|JOB GROUP START|JOB GROUP START|".
 */
export const WATCHDOG_SCRIPT = `
unset WATCHDOG
trap '' TERM INT HUP QUIT PIPE
instance=$1
guards='|'

while read -r word job group start; do
  case $word in
    guard) guards="$guards$job $group $start|" ;;
    release)
      case $guards in
        *"|$job "*)
          before=\${guards%%"|$job "*}
          after=\${guards#*"|$job "}
          guards="$before|\${after#*|}" ;;
      esac ;;
  esac
done

start_of() {
  if [ -r /proc/self/stat ]; then
    line=
    { read -r line < "/proc/$1/stat"; } 2>/dev/null
    set -- \${line##*) }
    start=\${20}
  else
    set -- $(ps -o lstart= -p "$1")
    start="$*"
  fi
}

# Ends with success for each group that is still ours, with its number in $group.
is_ours() {
  entry=$1
  group=\${entry#* }
  wanted=\${group#* }
  group=\${group%% *}
  start_of "$group"
  case $start in
    "$wanted" | '') kill -s 0 -- "-$group" 2>/dev/null ;;
    *) false ;;
  esac
}

marked() {
  [ -d /proc/self ] || return 0
  for file in $(grep -lsF -- "$instance" /proc/[0-9]*/environ); do
    file=\${file#/proc/}
    echo "\${file%/environ}"
  done
}

# With a signal: sends it to all. With none: ends with success while anybody is left.
each() {
  left=\${guards#|}
  found=1
  while [ -n "$left" ]; do
    entry=\${left%%|*}
    left=\${left#*|}
    if is_ours "$entry"; then
      found=0
      [ -z "$1" ] || kill -s "$1" -- "-$group"
    fi
  done
  for pid in $(marked); do
    found=0
    [ -z "$1" ] || kill -s "$1" "$pid"
  done
  return $found
}

exec 2>/dev/null
each TERM || [ "$guards" != '|' ] || exit 0
naps=0
while [ $naps -lt 7 ] && each ''; do
  sleep 0.1 || { sleep 1; naps=7; }
  naps=$((naps + 1))
done
# A process in the middle of fork or exec can hide from one look, and a dying one is seen until it is reaped.
looks=0
clean=0
while [ $looks -lt 30 ] && [ $clean -lt 2 ]; do
  if each KILL; then clean=0; else clean=$((clean + 1)); fi
  looks=$((looks + 1))
  [ $looks -lt 10 ] || sleep 0.05
done
`;
