# Collects a file from the first of several hosts that has it, going on behind what is there. Whether it is right is seen
# by whoever asked for it. Set before: peers (HOST:PORT...), token, sha256, size, part.
umask 077
have() { stat -c %s -- "$part" 2>/dev/null || echo 0; }
left() { echo $((size - $(have))); }

# The address holds the token: it is given on standard input, where nobody else sees it.
by_curl() {
    printf 'url = "http://%s/%s/%s"\n' "$1" "$token" "$sha256" |
        curl -q -s -f --noproxy '*' --connect-timeout 3 --speed-limit 1000 --speed-time 15 -r "$(have)-" --config -
}
by_wget() {
    printf 'http://%s/%s/%s\n' "$1" "$token" "$sha256" |
        wget -q --no-proxy -T 15 -t 1 --start-pos="$(have)" -O - -i -
}
by_bash() {
    host=${1%:*} host=${host#[} host=${host%]} port=${1##*:} token=$token sha256=$sha256 from=$(have) \
        timeout $((60 + size / 262144)) bash -c '
            exec 3<>"/dev/tcp/$host/$port" || exit
            printf "GET /%s/%s HTTP/1.0\r\nRange: bytes=%d-\r\n\r\n" "$token" "$sha256" "$from" >&3
            read -r protocol status rest <&3
            [ "$status" = 206 ] || exit
            while read -r line <&3 && [ "$line" != $'"'\\r'"' ]; do :; done
            exec cat <&3'
}
for client in curl wget bash; do
    command -v $client >/dev/null && break
done
for peer in $peers; do
    [ "$(left)" -gt 0 ] || break
    by_$client "$peer" 2>/dev/null | dd bs=256K iflag=fullblock,count_bytes count="$(left)" status=none >>"$part"
done
[ "$(left)" -eq 0 ]
