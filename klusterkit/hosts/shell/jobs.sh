# Functions of a lane's shell for long programs that outlive the connection, and their records:
#   pid   process, its start time, the boot it belongs to; argv; out; err;
#   rc    status, the uptimes between which it ran, and its timeout. Renamed into place when everything is flushed.
# A record appears whole, by a rename that only one of several starters can win, before its program starts.

# kk_process PID: sets kk_born (its start time) and kk_state. Fails if there is none.
kk_process() {
    { read -r kk_stat </proc/"$1"/stat; } 2>/dev/null || return
    kk_stat=${kk_stat##*) } # its name may hold anything
    set -- $kk_stat
    kk_state=$1 kk_born=${20}
}

# kk_alive FILE: whether the process that this file names still runs.
kk_alive() {
    kk_pid='' kk_was='' kk_boot='' kk_now=''
    { read -r kk_pid kk_was kk_boot <"$1"; } 2>/dev/null
    read -r kk_now </proc/sys/kernel/random/boot_id
    [ -n "$kk_boot" ] && [ "$kk_boot" = "$kk_now" ] && kk_process "$kk_pid" && [ "$kk_born" = "$kk_was" ] &&
        [ "$kk_state" != Z ]
}

# kk_job_start RECORD TIMEOUT FED ARGV...: prints "started" or "exists".
kk_job_start() {
    if [ -d "$1" ]; then
        echo exists
        return
    fi
    kk_home && mkdir -p -- "${1%/*}" || return
    kk_said=$(setsid -f /bin/sh -c "$kk_job" klusterkit-job "$@" 3>&1 >/dev/null) && echo "$kk_said"
}

# kk_job_status RECORD: sets kk_line to none, running, vanished, or "ended RC BEGAN ENDED TIMEOUT" (uptimes and seconds).
kk_job_status() {
    if [ ! -d "$1" ]; then
        kk_line=none
    elif [ ! -f "$1/rc" ] && kk_alive "$1/pid"; then
        kk_line=running
    elif [ -f "$1/rc" ]; then # it may have ended since we looked
        read -r kk_line <"$1/rc"
        kk_line="ended $kk_line"
    else
        kk_line=vanished
    fi
}

# kk_job_result RECORD LIMIT: its status and, if it has ended, its output and error output. Asked again and again while it
# runs: there is no fork in it until then.
kk_job_result() {
    kk_job_status "$1"
    echo "$kk_line"
    case $kk_line in
    ended*)
        tail -c "$2" -- "$1/out"
        tail -c "$2" -- "$1/err" >&2
        ;;
    esac
}

# kk_job_signal RECORD SIGNAL: to all that the job started, in whatever session it is by now. Fails when none is left.
kk_job_signal() {
    kk_pids=$(grep -lzxF -e "KLUSTERKIT_JOB=$1" /proc/[0-9]*/environ 2>/dev/null)
    kk_left=''
    for kk_pid in $kk_pids; do
        kk_pid=${kk_pid#/proc/}
        kk_process "${kk_pid%/*}" && [ "$kk_state" != Z ] && kk_left="$kk_left ${kk_pid%/*}"
    done
    [ -n "$kk_left" ] && kill -s "$2" $kk_left 2>/dev/null
    [ -n "$kk_left" ]
}

# kk_jobs: a line "RECORD-BELOW-JOBS SECONDS-SINCE-THE-EPOCH-WHEN-IT-STARTED" for each job that still runs.
kk_jobs() {
    for kk_record in "$KK_HOME"/jobs/* "$KK_HOME"/jobs/*/* "$KK_HOME"/jobs/*/*/* "$KK_HOME"/jobs/*/*/*/*; do
        [ -f "$kk_record/pid" ] && [ ! -f "$kk_record/rc" ] && kk_alive "$kk_record/pid" || continue
        kk_since=$(stat -c %Y -- "$kk_record/pid") && echo "${kk_record#"$KK_HOME/jobs/"} $kk_since"
    done
}
