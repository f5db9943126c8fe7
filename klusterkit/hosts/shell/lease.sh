# Functions of a lane's shell for the lock that keeps two KlusterKits from working on one host.
# Descriptor 9 holds the lock, and only in the shell of the lease's own lane; it is never inherited by what runs.
# Descriptor 8, in lanes that work under a lease, is inherited by short programs: while one of a dead run is still at
# work, its share of the second lock keeps a new run from starting. Long programs close both: they are told by records.

kk_run=/run/klusterkit # not below /run/lock, where anybody may make files: root ends the processes that one here names
kk_lock=$kk_run/lock

# kk_lock_safe: status 46 if the lock's folder is there and not root's alone; then it says what it is.
kk_lock_safe() {
    kk_exists "$kk_run" || return 0
    [ -O "$kk_run" ] && [ "$(find "$kk_run" -prune -type d ! -perm /022)" ] && return
    stat -c '%n is a %F, %A, of %U:%G' -- "$kk_run" >&2
    return 46
}

# kk_lease HOLDER: status 45 if somebody else has it; then it prints who. umask 077 makes the folder root's from birth.
kk_lease() {
    kk_home && chmod 0700 -- "$KK_HOME" && kk_lock_safe && mkdir -p -- "$kk_run" || return
    [ -f "$kk_lock" ] || printf '' >"$kk_lock"
    exec 9<"$kk_lock" || return
    if ! flock -n 9; then
        exec 9<&-
        kk_holder 2>/dev/null
        return 45
    fi
    printf '' >"$kk_lock.lanes" && kk_lane && printf '%s\n' "$1" >"$kk_lock.holder.new" &&
        mv -- "$kk_lock.holder.new" "$kk_lock.holder"
}

# kk_held: whether somebody has the lock, without touching it; then it prints who.
kk_held() { kk_lock_safe && kk_alive "$kk_lock.lanes" && { kk_holder 2>/dev/null || :; }; }

kk_holder() { cat -- "$kk_lock.holder"; }

# kk_lease_break: end the shells that hold the lock or work under it, and wait for the end of the first, which has the
# lock: a process that was sent a signal isn't gone yet. Programs that they started go on.
kk_lease_break() {
    kk_lock_safe || return
    [ -f "$kk_lock.lanes" ] || return 0
    while read -r kk_pid kk_was kk_boot; do
        kk_process "$kk_pid" && [ "$kk_born" = "$kk_was" ] && kill -s KILL "$kk_pid"
    done <"$kk_lock.lanes"
    for kk_wait in 1 2 3 4 5 6 7 8 9 10; do
        kk_alive "$kk_lock.lanes" || return 0
        sleep 0.1
    done
}

kk_lane() {
    kk_process $$ && read -r kk_boot </proc/sys/kernel/random/boot_id && echo "$$ $kk_born $kk_boot" >>"$kk_lock.lanes"
}

# kk_work: this lane's short programs count as work under the lease.
kk_work() {
    [ -f "$kk_lock.work" ] || printf '' >"$kk_lock.work"
    exec 8<"$kk_lock.work" && flock -s 8 && kk_lane
}

# kk_work_is_over SECONDS: whether no short program of an earlier run is at work any more.
kk_work_is_over() {
    [ ! -f "$kk_lock.work" ] || flock -w "$1" "$kk_lock.work" true
}
