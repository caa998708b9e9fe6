/**
 * The watchdog's program, for any POSIX shell: it is handed over as a text, so that the package needs no file
 * for it. It reads lines from its stdin, whose other end only the host holds:
 *
 *     guard JOB GROUP START      GROUP is the number of a process group, START that of its leader
 *     release JOB
 *     dismiss                    nothing is guarded any more: it ends, and looks for nobody
 *
 * At end-of-file the host is gone, perhaps before it could say what it had started. Then every guarded group whose
 * leader is still the same process (or that has lost its leader) gets SIGTERM, after less than a second SIGKILL, and
 * with it every process whose environment holds $1, the id of the instance. It reads /proc with the shell alone and
 * needs only `sleep`, on Linux `grep`, on macOS `ps`. What it guards is one text, "|JOB GROUP START|JOB GROUP START|".
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
    dismiss) exit 0 ;;
  esac
done

# Of the leader: $start, and on Linux its $state.
look_at() {
  state=
  if [ -r /proc/self/stat ]; then
    line=
    { read -r line < "/proc/$1/stat"; } 2>/dev/null
    set -- \${line##*) }
    state=$1
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
  look_at "$group"
  case $start in
    "$wanted" | '') kill -s 0 -- "-$group" 2>/dev/null ;;
    *) false ;;
  esac
}

# A zombie keeps its group's number until somebody reaps it, which may take seconds.
lives() {
  case $state in
    '' | Z | X) [ ! -d /proc/self ] || grep -qsE "\\) [^ZX] [0-9]+ $group " /proc/[0-9]*/stat ;;
  esac
}

# Ends with success when one of these files of environments is of a process of ours; signals each, if with a signal.
marked() {
  signal=$1
  shift
  hit=1
  for file in $(grep -lsF -- "$instance" "$@" /dev/null); do
    hit=0
    file=\${file#/proc/}
    [ -z "$signal" ] || kill -s "$signal" "\${file%/environ}"
  done
  return $hit
}

# With a signal: sends it to all. With none: only looks. Ends with success while anybody is left.
each() {
  left=\${guards#|}
  found=1
  while [ -n "$left" ]; do
    entry=\${left%%|*}
    left=\${left#*|}
    is_ours "$entry" || continue
    [ -z "$1" ] || kill -s "$1" -- "-$group"
    lives || continue
    [ -n "$1" ] || return 0
    found=0
  done
  [ ! -d /proc/self ] || ! marked "$1" /proc/[0-9]*/environ || found=0
  return $found
}

# Ends with success when somebody was born since the newest number was remembered; all of them are in $born.
somebody_is_born() {
  born=
  [ -n "$newest" ] || return 1
  for process in /proc/[0-9]*; do
    [ "\${process#/proc/}" -le "$newest" ] || born="$born $process/environ"
  done
  [ -n "$born" ]
}

# Kills whoever is left, and ends with success when nobody was. A chain that keeps forking is over before a look at
# everybody has come to it, so the newest are looked at again and again, until they stay the same.
nobody() {
  newest=
  [ ! -r /proc/loadavg ] || read -r newest newest newest newest newest < /proc/loadavg
  if each KILL; then return 1; fi
  before=
  tries=0
  while somebody_is_born && [ "$born" != "$before" ]; do
    if marked KILL $born || [ $tries -gt 15 ]; then return 1; fi
    before=$born
    tries=$((tries + 1))
  done
}

exec 2>/dev/null
each TERM
naps=0
while [ $naps -lt 7 ] && each ''; do
  sleep 0.1 || { sleep 1; naps=7; }
  naps=$((naps + 1))
done
# Whoever is in the middle of an exec has no environment, and on a busy machine stays there: one look is not enough.
looks=0
clean=0
while [ $looks -lt 25 ] && [ $clean -lt 5 ]; do
  if nobody; then clean=$((clean + 1)); else clean=0; fi
  looks=$((looks + 1))
  [ $looks -lt 10 ] || sleep 0.05
done
`;
