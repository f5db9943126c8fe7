"""Facts about a host, and who its neighbours are: questions as scripts (``shell/``), their answers read."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping

from klusterkit.engine.errors import CommandFailed
from klusterkit.engine.facts import Facts
from klusterkit.hosts.lane import Reply
from klusterkit.hosts.prelude import shell
from klusterkit.hosts.question import Question
from klusterkit.hosts.quoting import word

CAP_SYS_RESOURCE = 24
"""linux/capability.h: may lower OOM scores, among others."""
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "ppc64le": "ppc64le", "s390x": "s390x"}
SYMBOLS = {"overlay": "ovl_fill_super", "br_netfilter": "br_nf_pre_routing", "ip_vs": "ip_vs_in"}
"""A function by which the running kernel shows that it has a feature, where it isn't named after the feature."""
_LOOPBACK = ("127.", "::1")


def facts_script(question: Question) -> bytes:
    """Commands that print the facts."""
    features = " ".join(f"{name}:{SYMBOLS.get(name, f'{name}_')}" for name in question.kernel_features)
    lists = {"features": features, "programs": " ".join(question.programs), "units": " ".join(question.units)}
    settings = b"".join(b"kk_%s=%s\n" % (name.encode(), word(text)) for name, text in lists.items())
    paths = b"".join(
        b"[ ! -e %(p)s ] && [ ! -L %(p)s ] || printf '%%s\\0' %(p)s\n" % {b"p": word(path)} for path in question.paths
    )
    return shell("facts.sh") + settings + b"kk_facts\n" + paths + b":"


def facts_from(host: str, reply: Reply, question: Question, *, asked: float, answered: float) -> Facts:
    """The answer. ``asked`` and ``answered`` are our own clock's. Raises ``CommandFailed`` if it makes no sense."""
    fields = reply.out.decode(errors="replace").split("\0")[:-1]
    names = dict(zip(fields[::2], fields[1::2], strict=False))
    paths = fields[2 * len([*_until_last(fields)]) :]
    try:
        return _facts(names, question, paths, asked, answered)
    except (KeyError, ValueError, IndexError) as error:
        raise CommandFailed(
            f"{host} can't be looked at",
            host=host,
            seen=f"{error!r}; {reply.err.decode(errors='replace').strip()[-300:]}",
            hint="hosts need Linux with /proc, a POSIX shell and coreutils",
        ) from None


def neighbour_script(address: str, interface: str) -> bytes:
    """Commands that print who answers for an address in the network of an interface."""
    return shell("neighbour.sh") + b"kk_neighbour %s %s || :" % (word(address), word(interface))


def neighbour_from(reply: Reply) -> str:
    """The hardware address in the answer, or nothing."""
    return _word_after(reply.out.decode(errors="replace"), "lladdr")


def _until_last(fields: list[str]) -> Iterator[str]:
    """Names of facts; paths that are there come after the last."""
    for name in fields[::2]:
        yield name
        if name == "then":
            return


def _offset(asked: float, began: float, ended: float, answered: float) -> float:
    """Seconds that the host's clock is ahead of ours, at least: it was read between the question and the answer."""
    least, most = ended - answered, began - asked
    return max(least, 0.0) + min(most, 0.0)


def _facts(seen: Mapping[str, str], question: Question, paths: Iterable[str], asked: float, answered: float) -> Facts:
    memory = _memory(seen["memory"])
    interfaces = _interfaces(seen["addresses"])
    interface = _word_after(seen["route"], "dev") or next(iter(interfaces), "")
    own = interfaces.get(interface, ())
    free, block = seen["disk"].split()
    clock, then = float(seen["clock"]), float(seen["then"])
    capabilities = int(seen["capabilities"].split()[1], 16)
    active = seen["active"].split()
    there = {*paths}
    return Facts(
        hostname=seen["hostname"],
        machine_id=seen["machine_id"],
        os=_os(seen["os"]),
        kernel=seen["kernel"],
        architecture=ARCHITECTURES.get(seen["machine"].strip(), seen["machine"].strip()),
        cpus=int(seen["cpus"]),
        memory=memory["MemTotal"],
        memory_available=memory.get("MemAvailable", memory["MemFree"]),
        swap=memory.get("SwapTotal", 0),
        disk_free=int(free) * int(block),
        init=seen["init"],
        cgroup=2 if seen["unified"] == "1" else 1,
        can_lower_oom_score=bool(capabilities >> CAP_SYS_RESOURCE & 1),
        can_write_conntrack_limits=seen["conntrack"] == "1",
        kernel_features=tuple(name for name in question.kernel_features if name in seen["features"].split()),
        has_modprobe="modprobe" in seen["programs"].split() and seen["modules"] == "1",
        name_servers=_name_servers(seen["resolver"], seen["stub"]),
        interfaces=interfaces,
        default_interface=interface,
        default_address=own[0].split("/")[0] if own else "",
        listening=tuple(sorted({int(line.split()[1].rsplit(":", 1)[1], 16) for line in _lines(seen["listening"])})),
        programs=tuple(name for name in question.programs if name in seen["programs"].split()),
        services=tuple(unit for unit, state in zip(question.units, active, strict=False) if state == "active"),
        paths=tuple(path for path in question.paths if path in there),
        clock=clock,
        clock_offset=round(_offset(asked, clock, then, answered), 3),
    )


def _lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip()]


def _os(text: str) -> str:
    pairs = dict(line.split("=", 1) for line in _lines(text) if "=" in line)
    values = [pairs.get(name, "").strip().strip("\"'") for name in ("ID", "VERSION_ID")]
    return "-".join(value for value in values if value)


def _memory(text: str) -> dict[str, int]:
    """``/proc/meminfo`` in bytes."""
    pairs = (line.split() for line in _lines(text))
    return {pair[0].rstrip(":"): int(pair[1]) * 1024 for pair in pairs if pair[2:] == ["kB"]}


def _interfaces(text: str) -> dict[str, tuple[str, ...]]:
    interfaces: dict[str, tuple[str, ...]] = {}
    for name, address in _addresses(text):
        interfaces[name] = (*interfaces.get(name, ()), address)
    return interfaces


def _addresses(text: str) -> Iterator[tuple[str, str]]:
    """Interface and address with its prefix length, without loopback and what IPv6 gives every interface."""
    for line in _lines(text):
        _, interface, family, address, *_ = line.split()
        if family not in ("inet", "inet6"):
            continue
        parsed = ipaddress.ip_interface(address)
        if not parsed.ip.is_loopback and not (parsed.version == 6 and parsed.ip.is_link_local):
            yield interface.split("@")[0], address


def _word_after(text: str, name: str) -> str:
    words = text.split()
    return words[words.index(name) + 1] if name in words[:-1] else ""


def _name_servers(resolver: str, stub: str) -> tuple[str, ...]:
    """Of the resolver that pods get: behind systemd-resolved's stub, which listens on loopback, it is its own."""
    text = stub if "nameserver 127.0.0.53" in resolver and stub.strip() else resolver
    found = [line.split() for line in _lines(text)]
    servers = [words[1] for words in found if words[0] == "nameserver" and len(words) > 1]
    return tuple(dict.fromkeys(server for server in servers if not server.startswith(_LOOPBACK)))
