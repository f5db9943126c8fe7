# One request of HTTP/1.0 on standard input, answered on standard output: GET /TOKEN/SHA256 with or without a beginning
# of a range. Started for each connection by systemd-socket-activate; $1 is the folder with what is served and the token.
umask 077
cr=$(printf '\r')
refuse() {
    printf 'HTTP/1.0 %s\r\nContent-Length: 0\r\n\r\n' "$1"
    exit 0
}

# Whoever doesn't end a request in time isn't waited for; the first of its lines, and that with a range, are all that counts.
request=$(timeout 10 sed -n -e '1p' -e '/^[Rr][Aa][Nn][Gg][Ee]: *bytes=[0-9]*-/p' -e '/^.\{0,1\}$/q') || refuse '408 Request Timeout'
path=${request#GET /}
path=${path%% *}
read -r token <"$1/token" && [ -n "$token" ] || refuse '503 Service Unavailable'
name=${path#"$token/"}
case $name in *[!0-9a-f]*) refuse '404 Not Found' ;; esac
[ ${#name} -eq 64 ] && [ "$path" = "$token/$name" ] && [ -f "$1/../artifacts/$name" ] || refuse '404 Not Found'

start=0
case $request in *bytes=*) start=${request##*bytes=} start=${start%%-*} ;; esac
size=$(stat -c %s -- "$1/../artifacts/$name")
[ "$start" -lt "$size" ] || refuse '416 Range Not Satisfiable'
printf 'HTTP/1.0 206 Partial Content\r\nContent-Length: %d\r\nContent-Range: bytes %d-%d/%d\r\n\r\n' \
    $((size - start)) "$start" $((size - 1)) "$size"
# Most ask for all of it. cat takes larger pieces than tail does, and so a quarter of the time.
[ "$start" -gt 0 ] || exec cat -- "$1/../artifacts/$name"
exec tail -c +$((start + 1)) -- "$1/../artifacts/$name"
