#!/bin/sh
# KlusterKit @VERSION@ for Linux on @MACHINE@: cctl, etcdadm and nodeadm in one file, with the Python that runs them.
# Behind this script is a packed folder. It is unpacked when it is first used, and checked; from then on it is just run.
# Root's is below /var/cache, everybody else's in their own cache; KLUSTERKIT_CACHE names another place.
set -eu
digest=@DIGEST@
if [ "${KLUSTERKIT_CACHE:-}" ]; then cache=$KLUSTERKIT_CACHE
elif [ -O /var/cache ]; then cache=/var/cache/klusterkit
else cache=${XDG_CACHE_HOME:-$HOME/.cache}/klusterkit; fi
folder=$cache/programs/$digest

fail() { echo "error: $1" >&2; exit 1; }

unpack() {
    umask 022
    mkdir -p "$cache/programs" || fail "no folder can be made at $cache; name another one: KLUSTERKIT_CACHE=FOLDER"
    found=$(tail -c +@START@ "$0" | sha256sum) || fail "$0 can't be read"
    [ "${found%% *}" = "$digest" ] || fail "$0 is damaged or was cut short: bring it here again"
    new=$(mktemp -d "$folder.XXXXXX")
    trap 'rm -rf "$new"' EXIT
    trap 'exit 130' INT TERM
    tail -c +@START@ "$0" | tar -xz -f - --no-same-owner -C "$new" ||
        fail "no room at $cache for 50 MB, or tar or gzip is missing"
    chmod 755 "$new" && sync -f "$new"
    # Somebody else may have been faster: theirs is as good.
    mv -T "$new" "$folder" 2>/dev/null || [ -O "$folder/klusterkit" ] ||
        fail "$folder can't be made, or belongs to somebody else: remove it"
    rm -rf "$new"
    trap - EXIT INT TERM
}

# What another user may have put there isn't run.
[ -O "$folder/klusterkit" ] || unpack
exec "$folder/klusterkit" "${0##*/}" "$@"
