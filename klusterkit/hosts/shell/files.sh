# Functions of a lane's shell for looking at files and changing them. POSIX sh and coreutils.
# Whatever can be done by builtins is: a fork costs as much as fifty lines of this.

kk_temp=.klusterkit-new # beside what is being replaced; one that a power cut left is removed by the next change there

# kk_stat PATH...: records of NUL-ended fields: name, mode, names and numbers of user and group, size; an empty field;
# the names of links, an empty field, their targets; an empty field; lines of sha256sum.
kk_stat() {
    stat --printf='%n\0%f\0%U:%G\0%u:%g\0%s\0' -- "$@"
    printf '\0'
    kk_links "$@"
    printf '\0'
    kk_sums "$@"
}

kk_links() {
    for kk_path do
        shift
        [ ! -L "$kk_path" ] || set -- "$@" "$kk_path"
    done
    [ $# -gt 0 ] || { printf '\0'; return; }
    printf '%s\0' "$@" ''
    readlink -z -- "$@"
}

kk_sums() {
    for kk_path do
        shift
        [ ! -f "$kk_path" ] || [ -L "$kk_path" ] || set -- "$@" "$kk_path"
    done
    [ $# -gt 0 ] || return 0
    # Most are small; of large ones there are few.
    if [ "$(kk_large "$@")" ]; then
        for kk_path do
            shift
            if [ "$(kk_large "$kk_path")" ] && kk_sum "$kk_path" 2>/dev/null; then
                printf '%s  %s\0' "$kk_sum" "$kk_path"
            else
                set -- "$@" "$kk_path"
            fi
        done
    fi
    [ $# -eq 0 ] || sha256sum -z -- "$@"
}

# kk_large PATH...: says one that is worth starting OpenSSL for, if there is one.
kk_large() {
    find "$@" -prune -size +8M -print -quit 2>/dev/null
}

# kk_read PATH LIMIT: its first LIMIT bytes. Status 44: nothing there.
kk_read() {
    [ -e "$1" ] || return 44
    head -c "$2" -- "$1"
}

# KlusterKit's own folder.
kk_home() {
    [ -d "$KK_HOME" ] && return
    mkdir -p -- "$KK_HOME" && chmod 0700 -- "$KK_HOME" && sync -- "${KK_HOME%/*}"
}

# kk_mkdir MODE OWNER PATH...: (five digits: with fewer, a folder keeps its set-ID bits.) umask 077 makes them private until they have their owner.
kk_mkdir() {
    kk_mode=$1 kk_owner=$2
    shift 2
    kk_make "$@" && chown -h -- "$kk_owner" "$@" && chmod -- "$kk_mode" "$@"
}

kk_make() {
    for kk_path do
        shift
        [ -d "$kk_path" ] && [ ! -L "$kk_path" ] || set -- "$@" "$kk_path"
    done
    [ $# -eq 0 ] || mkdir -- "$@"
}

# kk_of_root PATH...: what root has just made is root's, but where a folder or a file system gives it another group, or
# this shell is in one (/proc belongs to root's).
kk_of_root() {
    for kk_path do
        shift
        [ -O "$kk_path" ] && [ -G "$kk_path" ] && [ -G /proc ] || set -- "$@" "$kk_path"
    done
    [ $# -eq 0 ] || chown -- root:root "$@"
}

# kk_own FOLDER...: KlusterKit's own, in its home, which nobody else gets into: what is there needs no look.
kk_own() {
    for kk_path do
        shift
        [ -d "$kk_path" ] || set -- "$@" "$kk_path"
    done
    [ $# -eq 0 ] || { mkdir -- "$@" && sync -- "$@" "$KK_HOME"; }
}

kk_exists() { [ -e "$1" ] || [ -L "$1" ]; }

# kk_clean FOLDER...: what a power cut in the middle of a change left there.
kk_clean() {
    for kk_path do
        [ ! -d "$kk_path/$kk_temp" ] || rm -rf -- "$kk_path/$kk_temp"
    done
}

# kk_room FOLDER...: says what is free there.
kk_room() { stat -f -c 'free on the file system of %n: %a blocks of %S bytes' -- "$@"  3>&2 2>/dev/null >&3; }

# kk_rename PATH FOLDER PATH FOLDER...: each into its folder, in one process where the host has a perl.
kk_rename() {
    if [ $# -gt 4 ] && command -v perl >/dev/null; then
        perl -e 'while (@ARGV) {
            my ($from, $to) = splice @ARGV, 0, 2;
            $to .= substr $from, rindex $from, "/";
            rename $from, $to or die "$to: $!\n";
        }' -- "$@"
        return
    fi
    while [ $# -gt 0 ]; do
        mv -f -t "$2" -- "$1" || return
        shift 2
    done
}

# kk_sum PATH: sets kk_sum to its SHA-256. OpenSSL takes a quarter of the time that coreutils do.
kk_sum() {
    if command -v openssl >/dev/null; then
        kk_sum=$(openssl dgst -sha256 -r <"$1")
    else
        kk_sum=$(sha256sum <"$1")
    fi
    kk_sum=${kk_sum%% *}
    [ -n "$kk_sum" ]
}

# kk_mounted PATH...: says what is mounted at or below these, and fails.
kk_mounted() {
    while read -r kk_device kk_mount kk_rest; do
        case $kk_mount in *\\*) kk_mount=$(printf '%b' "$kk_mount") ;; esac # spaces are octal there
        for kk_path do
            case $kk_mount in
            "$kk_path" | "$kk_path"/*)
                printf '%s\n' "$kk_mount is a mount point" >&2
                return 1
                ;;
            esac
        done
    done </proc/self/mounts
}

# kk_remove RECURSIVE PATH...
kk_remove() {
    kk_recursive=$1
    shift
    if [ "$kk_recursive" = 1 ]; then
        kk_mounted "$@" && rm -rf --one-file-system -- "$@"
        return
    fi
    for kk_path do
        shift
        if [ -d "$kk_path" ] && [ ! -L "$kk_path" ]; then
            kk_clean "$kk_path"
            rmdir -- "$kk_path" || return
        else
            set -- "$@" "$kk_path"
        fi
    done
    [ $# -eq 0 ] || rm -f -- "$@"
}

# kk_flush PATH: a file, or all of the file system that a folder is on.
kk_flush() {
    if [ -L "$1" ]; then
        :
    elif [ -d "$1" ]; then
        sync -f -- "$1"
    elif [ -f "$1" ]; then
        sync -- "$1"
    fi
}

# kk_keep PATH PLACE
kk_keep() {
    if kk_exists "$2" || ! kk_exists "$1"; then
        return 0
    fi
    kk_home && mkdir -p -- "${2%/*}" && rm -rf -- "$2.part" && cp -ax --reflink=auto -T -- "$1" "$2.part" &&
        kk_flush "$2.part" && mv -T -- "$2.part" "$2" && sync -- "${2%/*}"
}

# kk_put_back PLACE PATH. A folder can't be renamed over: it is moved aside first, and a second try finds all it needs.
kk_put_back() {
    kk_exists "$1" || return 44
    kk_folder=${2%/*}
    kk_folder=${kk_folder:-/}
    kk_new=$kk_folder/$kk_temp
    kk_clean "$kk_folder"
    mkdir -- "$kk_new" && cp -ax --reflink=auto -T -- "$1" "$kk_new/new" && kk_flush "$kk_new/new" && kk_swap "$2" &&
        rm -rf -- "$kk_new" && sync -- "$kk_folder" && return
    kk_rc=$?
    rm -rf -- "$kk_new"
    return $kk_rc
}

kk_swap() {
    if [ -L "$1" ] || [ ! -d "$1" ] && [ ! -d "$kk_new/new" ]; then
        mv -fT -- "$kk_new/new" "$1"
        return
    fi
    ! kk_exists "$1" || { kk_mounted "$1" && mv -T -- "$1" "$kk_new/old"; } || return
    mv -T -- "$kk_new/new" "$1" && return
    ! kk_exists "$kk_new/old" || mv -T -- "$kk_new/old" "$1"
    return 1
}

# kk_part PATH SHA256: "done" if it is there already, "whole" if what was left is all of it, or size and checksum of that.
kk_part() {
    if [ -f "$1" ] && [ ! -L "$1" ]; then
        kk_sum "$1"
        [ "$kk_sum" != "$2" ] || { echo done; return; }
    fi
    [ -f "$1.part" ] || { echo 0; return; }
    kk_sum "$1.part"
    [ "$kk_sum" != "$2" ] || { echo whole; return; }
    echo "$(stat -c %s -- "$1.part") $kk_sum"
}

# kk_sync_there FOLDER...: those that are there.
kk_sync_there() {
    for kk_path do
        shift
        [ ! -d "$kk_path" ] || set -- "$@" "$kk_path"
    done
    [ $# -eq 0 ] || sync -- "$@"
}
