# Asks the network of an interface who has an address. Prints the kernel's line about whoever answers within half a second,
# or nothing. An answer of long ago says nothing, so it is forgotten first. Then the kernel is told to ask (`use`, iproute2
# 5.16), or, where `ip` is older, has to because a datagram is to be sent there (port 9: discard, RFC 863).
# States with a hardware address that the network gave: ip-neighbour(8). One that an administrator wrote isn't an answer.
kk_neighbour() { # ADDRESS INTERFACE
    ip neigh flush to "$1" dev "$2" >/dev/null 2>&1
    ip neigh replace "$1" dev "$2" nud none use 2>/dev/null || logger --udp --server "$1" --port 9 hello 2>/dev/null
    for kk_look in 1 2 3 4 5 6 7 8 9 10; do
        ip -o neigh show to "$1" dev "$2" | grep -E ' lladdr .*(REACHABLE|STALE|DELAY|PROBE)' && return
        sleep 0.05
    done
}
