/**
 * The watchdog's program, for any POSIX shell: it is handed over as a text, so that the package needs no file
 * for it. It reads lines from its stdin, whose other end only the host holds:
 *
 *     guard JOB GROUP START      GROUP is the number of a process group, START that of its leader
 *     told JOB PID PID ...       these have got SIGTERM already
 *     release JOB
 *     groups FOLDER              all control groups of the instance are below it (`control-group.ts`)
 *     dismiss                    nothing is guarded any more: it ends, and looks for no process
 *
 * At end-of-file the host is gone, perhaps before it could say what it had started. Ours are then the guarded groups
 * whose leader is still the same process (or that have lost their leader), and every process whose environment holds
 * $1, the id of the instance, or whose descriptor 3 is a file with it in its name (`openMark`), and every process in
 * one of the control groups, which are removed at the end. Each gets SIGTERM once: a shell that leads others and what
 * it started itself at once, any other when its parent has ended or after half the time; what is left after less than a
 * second gets SIGKILL. It reads /proc with the shell alone and needs only `sleep`, on Linux `grep`, `ls` and `rmdir`,
 * elsewhere `ps`. What it guards is one text, "|JOB GROUP START|JOB GROUP START|", and so is who was told.
 */
export const WATCHDOG_SCRIPT = `
unset WATCHDOG
trap '' TERM INT HUP QUIT PIPE
instance=$1
guards='|'
told='|'
folder=

# Of $1 all but the entries of a job.
without() {
  list=$1
  while :; do
    case $list in
      *"|$2 "*)
        after=\${list#*"|$2 "}
        list="\${list%%"|$2 "*}|\${after#*|}" ;;
      *) return ;;
    esac
  done
}

while read -r word job group start; do
  case $word in
    guard) guards="$guards$job $group $start|" ;;
    told) told="$told$job $group $start |" ;;
    release)
      without "$guards" "$job"
      guards=$list
      without "$told" "$job"
      told=$list ;;
    groups) folder=$job ;;
    dismiss) exit 0 ;;
  esac
done

# Of a process: $start, and on Linux its $state (empty: it is gone), $parent, $its_group and $name.
look_at() {
  state=
  if [ -r /proc/self/stat ]; then
    line=
    { read -r line < "/proc/$1/stat"; } 2>/dev/null
    name=\${line#*(}
    name=\${name%)*}
    set -- \${line##*) }
    state=$1
    parent=$2
    its_group=$3
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

# A zombie keeps its group's number until its parent reaps it, which may take seconds.
lives() {
  case $state in
    '' | Z | X) [ ! -d /proc/self ] || grep -qsE "\\) [^ZX] [0-9]+ $group " /proc/[0-9]*/stat ;;
  esac
}

# Of these files of environments those of processes of ours, in $files.
find_by_environment() {
  files=$(grep -lsF -- "$instance" "$@" /dev/null)
}

# Of these descriptors those that are a mark of ours, in $files.
find_by_mark() {
  files=
  while read -r line; do
    case $line in
      *" -> "*/opencode-background.*"$instance"*)
        line=\${line#*/proc/}
        files="$files /proc/\${line%% *}" ;;
    esac
  done << END
$(ls -ln "$@")
END
}

# The numbers of all in a control group and in those below it are added to $inside.
look_inside() {
  while read -r line; do inside="$inside $line"; done < "$1/cgroup.procs"
  for below in "$1"/*/; do
    [ ! -d "$below" ] || look_inside "\${below%/}"
  done
}

find_inside() {
  inside=
  [ -z "$folder" ] || [ ! -d "$folder" ] || look_inside "$folder"
}

# Kills all in our control groups, and ends with success when there are any.
kill_inside() {
  find_inside
  [ -n "$inside" ] || return 1
  echo 1 > "$folder/cgroup.kill"
  # Linux before 5.14 has no such file.
  kill -s KILL $inside
  return 0
}

# Removes a control group with those below it.
remove_groups() {
  for below in "$1"/*/; do
    [ ! -d "$below" ] || remove_groups "\${below%/}"
  done
  rmdir "$1"
}

# Kills the processes of $files, and ends with success when there are any.
kill_files() {
  for file in $files; do
    file=\${file#/proc/}
    kill -s KILL "\${file%%/*}"
  done
  [ -n "$files" ]
}

# Kills all, and ends with success when there were any.
each() {
  left=\${guards#|}
  found=1
  while [ -n "$left" ]; do
    entry=\${left%%|*}
    left=\${left#*|}
    is_ours "$entry" || continue
    kill -s KILL -- "-$group"
    ! lives || found=0
  done
  if [ -d /proc/self ]; then
    find_by_environment /proc/[0-9]*/environ
    [ -n "$files" ] || find_by_mark /proc/[0-9]*/fd/3
    ! kill_files || found=0
    ! kill_inside || found=0
  fi
  return $found
}

# The guarded groups that are ours: between spaces, and with | between them.
find_groups() {
  groups=' '
  any=
  left=\${guards#|}
  while [ -n "$left" ]; do
    if is_ours "\${left%%|*}"; then
      groups="$groups$group "
      any="$any\${any:+|}$group"
    fi
    left=\${left#*|}
  done
}

# Of all living processes of ours a row: number, parent, name.
find_rows() {
  rows=
  find_groups
  if [ -d /proc/self ]; then
    find_by_environment /proc/[0-9]*/environ
    found=$files
    find_by_mark /proc/[0-9]*/fd/3
    found="$found $files"
    [ -z "$any" ] || found="$found $(grep -lsE "\\) [^ZX] [0-9]+ ($any) " /proc/[0-9]*/stat)"
    find_inside
    for pid in $inside; do found="$found /proc/$pid/stat"; done
    for file in $found; do
      file=\${file#/proc/}
      pid=\${file%%/*}
      look_at "$pid"
      case $state in
        '' | Z | X) ;;
        *) rows="$rows$pid $parent $name
" ;;
      esac
    done
  else
    while read -r pid parent its_group state name; do
      case $groups,$state in
        *" $its_group "*,[!ZX]*)
          name=\${name##*/}
          rows="$rows$pid $parent \${name#-}
" ;;
      esac
    done << END
$(ps -axo pid=,ppid=,pgid=,stat=,comm=)
END
  fi
}

# SIGTERM to those whose turn it is, each once; with an argument to all. Ends with success while any is left.
tell() {
  find_rows
  [ -n "$rows" ] || return 1
  alive=' '
  while read -r pid rest; do alive="$alive$pid "; done << END
$rows
END
  # Shells that none of ours has started.
  leaders=' '
  while read -r pid parent name; do
    case $alive,$name in
      *" $parent "*) ;;
      *,bash | *,zsh | *,sh | *,dash | *,ksh | *,mksh | *,ash) leaders="$leaders$pid " ;;
    esac
  done << END
$rows
END
  while read -r pid parent name; do
    [ -n "$pid" ] || continue
    turn=$1
    case $alive in
      *" $parent "*) ;;
      *) turn=now ;;
    esac
    case $leaders in
      *" $parent "*) turn=now ;;
    esac
    case $told in
      *" $pid "*) turn= ;;
    esac
    [ -n "$turn" ] || continue
    told="\${told}_ $pid |"
    kill -s TERM "$pid"
  done << END
$rows
END
  return 0
}

# Ends with success when processes were born since the newest number was remembered: the environments of all of them are
# in $born, their descriptors in $born_marks.
some_are_born() {
  born=
  born_marks=
  [ -n "$newest" ] || return 1
  for process in /proc/[0-9]*; do
    if [ "\${process#/proc/}" -gt "$newest" ]; then
      born="$born $process/environ"
      born_marks="$born_marks $process/fd/3"
    fi
  done
  [ -n "$born" ]
}

# Kills what is left, and ends with success when nothing was. A chain that keeps forking is over before a look at all
# has come to it, so the newest are looked at again and again, until they stay the same.
all_are_gone() {
  newest=
  [ ! -r /proc/loadavg ] || read -r newest newest newest newest newest < /proc/loadavg
  if each; then return 1; fi
  before=
  tries=0
  while some_are_born && [ "$born" != "$before" ]; do
    find_by_environment $born
    [ -n "$files" ] || find_by_mark $born_marks
    if kill_files || [ $tries -gt 15 ]; then return 1; fi
    before=$born
    tries=$((tries + 1))
  done
}

exec 2>/dev/null
naps=0
late=
while [ $naps -lt 7 ] && tell "$late"; do
  # A sleep that knows no fractions fails at once.
  sleep 0.1 || { sleep 1; naps=$((naps + 3)); }
  naps=$((naps + 1))
  [ $naps -lt 4 ] || late=late
done
# A process in the middle of an exec has no environment, and on a busy machine stays there: one look is not enough.
looks=0
clean=0
while [ $looks -lt 25 ] && [ $clean -lt 5 ]; do
  if all_are_gone; then clean=$((clean + 1)); else clean=0; fi
  looks=$((looks + 1))
  [ $looks -lt 10 ] || sleep 0.05
done
[ -z "$folder" ] || [ ! -d "$folder" ] || remove_groups "$folder"
`;
