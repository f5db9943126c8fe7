# Looks at a host and changes nothing: no module is loaded, no interface made. Prints NUL-ended pairs of name and text.
# Asked with lists of words: kk_features (NAME:SYMBOL), kk_programs, kk_units.
kk_fact() { printf '%s\0' "$1"; "$2" 2>/dev/null; printf '\0'; }
kk_line() { # NAME FILE: its first line
    kk_text=''
    { read -r kk_text <"$2"; } 2>/dev/null
    printf '%s\0%s\0' "$1" "$kk_text"
}
kk_yes() { # NAME TEST...: 1 or 0
    kk_name=$1
    shift
    if [ "$@" ]; then printf '%s\0001\0' "$kk_name"; else printf '%s\0000\0' "$kk_name"; fi
}

kk_now() { date +%s.%N; }
kk_os() { cat /etc/os-release || cat /usr/lib/os-release; }
kk_machine() { uname -m; }
kk_cpus() { nproc; }
kk_memory() { cat /proc/meminfo; }
kk_disk() { stat -f -c '%a %S' -- /var/lib; }
kk_capabilities() { grep '^CapEff' /proc/self/status; }
kk_resolver() { cat /etc/resolv.conf; }
kk_stub() { cat /run/systemd/resolve/resolv.conf; }
kk_addresses() { ip -o addr show; }
kk_route() { ip -o route show default; ip -6 -o route show default; }
kk_listening() { grep -hE '^ *[0-9]+: [0-9A-F]+:[0-9A-F]+ [0-9A-F]+:[0-9A-F]+ 0A' /proc/net/tcp /proc/net/tcp6; }
kk_active() { [ -z "$kk_units" ] || systemctl is-active -- $kk_units; }
kk_has() {
    for kk_name in $kk_programs; do
        command -v "$kk_name" >/dev/null && echo "$kk_name"
    done
}

# A feature is there when it is a known file system, a loaded module, one that is built in or can be loaded, or, where
# the host shows none of that (a container has no /lib/modules), when the running kernel has its functions.
kk_kernel() {
    read -r kk_release </proc/sys/kernel/osrelease
    kk_modules=/lib/modules/$kk_release
    kk_left=''
    for kk_pair in $kk_features; do
        kk_name=${kk_pair%%:*}
        if [ -d "/sys/module/$kk_name" ] || grep -qw -- "$kk_name" /proc/filesystems ||
            grep -qs -- "/$kk_name\.ko" "$kk_modules/modules.builtin" ||
            { command -v modprobe >/dev/null && grep -qs -- "/$kk_name\.ko[.a-z]*:" "$kk_modules/modules.dep"; }; then
            echo "$kk_name"
        else
            kk_left="$kk_left $kk_pair"
        fi
    done
    kk_running $kk_left
}

# kk_running NAME:SYMBOL...: the names of those whose symbol begins a function of the running kernel. It has a hundred
# thousand, and takes 50 ms to tell them: it is asked once.
kk_running() {
    [ $# -gt 0 ] || return
    kk_symbols=''
    for kk_pair do
        kk_symbols="$kk_symbols|${kk_pair#*:}"
    done
    kk_there=$(grep -oE -- " (${kk_symbols#|})" /proc/kallsyms)
    for kk_pair do
        case $kk_there in *" ${kk_pair#*:}"*) echo "${kk_pair%%:*}" ;; esac
    done
}

kk_facts() {
    kk_fact clock kk_now
    kk_line hostname /proc/sys/kernel/hostname
    kk_line machine_id /etc/machine-id
    kk_line kernel /proc/sys/kernel/osrelease
    kk_line init /proc/1/comm
    kk_fact os kk_os
    kk_fact machine kk_machine
    kk_fact cpus kk_cpus
    kk_fact memory kk_memory
    kk_fact disk kk_disk
    kk_fact capabilities kk_capabilities
    kk_yes unified -f /sys/fs/cgroup/cgroup.controllers
    if [ -e /proc/sys/net/netfilter/nf_conntrack_max ]; then
        kk_yes conntrack -w /proc/sys/net/netfilter/nf_conntrack_max
    else
        kk_yes conntrack -w /proc/sys/net/core/somaxconn # the module isn't loaded yet
    fi
    kk_fact resolver kk_resolver
    kk_fact stub kk_stub
    kk_fact addresses kk_addresses
    kk_fact route kk_route
    kk_fact listening kk_listening
    kk_programs="$kk_programs modprobe"
    kk_fact programs kk_has
    kk_fact active kk_active
    kk_fact features kk_kernel
    kk_yes modules -d "$kk_modules"
    kk_fact then kk_now
}
