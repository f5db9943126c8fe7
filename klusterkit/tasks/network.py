"""The host's network as it was before pods: links, namespaces, what networks know, filter rules, kernel settings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from itertools import pairwise
from typing import Any, ClassVar

from klusterkit.engine.errors import CommandFailedTemporarily
from klusterkit.engine.step import Before, Context, Observation, Step
from klusterkit.tasks import note
from klusterkit.tasks.kernel import read_settings, write_settings

LINKS = ("cni*", "flannel*", "veth*", "kube-*", "nodelocaldns", "cali*", "vxlan.calico", "tunl0", "cilium*", "lxc*")
SHARED_LINKS = ("veth*", "lxc*")
"""Of these, programs that run other containers make some too."""
NAMESPACES = ("cni-*",)
FOLDERS = ("/run/flannel",)
"""What networks know of the node until its next boot. A host that comes back as a new node would take its former subnet
from there for its first pods, and have a bridge that fits no later one."""
TABLES = ("kube-proxy", "flannel-*", "cni*")
"""Of nftables, with all that is in them."""
SETTINGS = (
    *("net.ipv4.conf.all.route_localnet", "net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"),
    *("net.netfilter.nf_conntrack_max", "net.netfilter.nf_conntrack_tcp_timeout_established"),
    *("net.netfilter.nf_conntrack_tcp_timeout_close_wait", "vm.overcommit_memory", "vm.panic_on_oom"),
    *("kernel.panic", "kernel.panic_on_oops", "kernel.keys.root_maxkeys", "kernel.keys.root_maxbytes"),
)
"""What the kubelet, kube-proxy and networks of pods set by themselves."""

FILTERS = ("iptables-legacy", "ip6tables-legacy", "iptables-nft", "ip6tables-nft")
"""Rules can stand in two forms beside each other: a container doesn't ask which one the host uses."""

_SHARED = [f"{family} {table}" for family in ("ip", "ip6") for table in ("filter", "nat", "mangle", "raw")]
"""Tables of nftables that iptables, in its newer form, makes for whoever uses it first."""
_CHAINS = "(?:KUBE-|FLANNEL-|CNI-|cali-|CILIUM_)"
_BROUGHT = re.compile(rf':{_CHAINS}|-A {_CHAINS}|.* -[jg] {_CHAINS}|.* --comment "?(?:flanneld|cali:|cilium)')
"""Chains and rules of the packet filter that kube-proxy, the kubelet and networks of pods make."""
_EMPTY = re.compile(r"table .*\{|chain .*\{|type .*; policy accept;|\}|")
"""A line of a table of nftables that does nothing."""

_NOTE = "network/baseline"
_COUNTERS = re.compile(r"\[\d+:\d+\]")
_BUILT_IN = re.compile(r":\S+ ACCEPT ")


class Baseline(Step):
    """Remember what the network of the host is, so that undo can take away what networks of pods leave behind.

    Kubernetes removes none of that itself. Undo deletes links, network namespaces and tables of nftables that came
    since and match the patterns, folders, and the rules of iptables that Kubernetes and networks make; it puts back the
    kernel's settings. Rules that somebody else has made or changed since stay as they are, and so do links of other
    programs' containers: of those that are called alike, a pod's hangs at a bridge of pods or leads to its namespace.
    """

    kind: ClassVar[str] = "network.baseline"

    links: tuple[str, ...] = LINKS
    namespaces: tuple[str, ...] = NAMESPACES
    folders: tuple[str, ...] = FOLDERS
    tables: tuple[str, ...] = TABLES
    settings: tuple[str, ...] = SETTINGS

    @property
    def title(self) -> str:
        """What it does."""
        return "remember the network as it is"

    @property
    def subject(self) -> str:
        """The network."""
        return "network"

    def observe(self, on: Context) -> Observation:
        """Whether it is remembered."""
        remembered = bool(note.read(on, _NOTE))
        reason = "" if remembered else "not remembered yet"
        return Observation(satisfied=remembered, before={"remembered": remembered}, reason=reason)

    def apply(self, on: Context, before: Before) -> None:
        """Look, and keep what was seen on the host."""
        _ = before
        seen = {"rules": {program: _rules(on, program) for program in FILTERS}, **self._look(on)}
        note.write(on, _NOTE, {**seen, "settings": read_settings(on, self.settings)})

    def undo(self, on: Context, before: Before) -> None:
        """Take away what came since, and set back what was changed."""
        _ = before
        kept = note.read(on, _NOTE)
        if not kept:
            return  # nothing was done on top of a baseline that was not kept
        for program, tables in kept["rules"].items():
            _restore(on, program, tables)
        self._take_away(on, kept)
        write_settings(on, kept["settings"])
        note.remove(on, _NOTE)

    def _look(self, on: Context) -> dict[str, list[str]]:
        entries = zip(self.folders, on.host.stat(*self.folders), strict=True)
        return {
            "folders": [path for path, entry in entries if entry.type != "absent"],
            "namespaces": _matching(_names(on, "/run/netns"), self.namespaces),
            "links": _matching(_names(on, "/sys/class/net"), self.links),
            "tables": _matching(_tables(on), [*_SHARED, *(f"* {table}" for table in self.tables)]),
        }

    def _take_away(self, on: Context, kept: Mapping[str, Any]) -> None:
        on.host.remove(*self._since(on, kept, "folders"), recursive=True)
        # Bridges after what hangs at them, and namespaces last: by them a pod's links are known, also at a second try.
        commands = {
            "links": ["ip", "link", "delete"],
            "namespaces": ["ip", "netns", "delete"],
            "tables": ["nft", "delete", "table"],
        }
        for what, command in commands.items():
            came = self._since(on, kept, what)
            for name in self._without_others(on, came) if what == "links" else came:
                if name in _SHARED and not _is_empty(on, name):
                    continue  # somebody else has used it, too
                ended = on.host.run([*command, *name.split()])
                # A link may be gone by then: with its other end, or with the namespace that held that.
                if not ended.ok and name in self._since(on, kept, what):
                    raise CommandFailedTemporarily(
                        f"{name}, which came since, can't be deleted", host=on.host.name, seen=ended.said
                    )

    def _without_others(self, on: Context, links: Sequence[str]) -> list[str]:
        """Without those of other programs' containers; what hangs at a bridge before the bridge."""
        alike = _matching(links, SHARED_LINKS)
        bridges = [pattern for pattern in self.links if pattern not in SHARED_LINKS]
        ends = _ends(on) if alike else {}
        pods = [name for name in alike if _leads_to_a_pod(ends.get(name, {}), bridges, self.namespaces)]
        return [*pods, *(name for name in links if name not in alike)]

    def _since(self, on: Context, kept: Mapping[str, Any], what: str) -> list[str]:
        return [name for name in self._look(on)[what] if name not in kept.get(what, ())]  # an earlier version kept less


def _matching(names: Iterable[str], patterns: Iterable[str]) -> list[str]:
    wanted = list(patterns)
    return [name for name in names if any(fnmatchcase(name, pattern) for pattern in wanted)]


def _names(on: Context, folder: str) -> list[str]:
    found = on.host.run(["find", folder, "-mindepth", "1", "-maxdepth", "1", "-print0"])
    return sorted(name.rpartition("/")[2] for name in found.out.decode().split("\0") if name)


def _ends(on: Context) -> dict[str, dict[str, str]]:
    """Of each link the bridge that it hangs at (``master``), and the namespace that its other end is in, if it has a
    name (``link-netns``)."""
    shown = on.host.run(["ip", "-o", "link", "show"])
    if not shown.ok:
        raise CommandFailedTemporarily("it can't be seen whose links are", host=on.host.name, seen=shown.said)
    rows = [line.split() for line in shown.text.splitlines()]
    return {row[1].rstrip(":").partition("@")[0]: dict(pairwise(row)) for row in rows}


def _leads_to_a_pod(ends: Mapping[str, str], bridges: Sequence[str], namespaces: Sequence[str]) -> bool:
    at, into = [ends.get("master", "")], [ends.get("link-netns", "")]
    return bool(_matching(at, bridges) or _matching(into, namespaces))


def _tables(on: Context) -> list[str]:
    """Tables of nftables, each with its family: ``ip nat``. None where there is no nft."""
    listed = on.host.run(["nft", "list", "tables"])
    return [line.removeprefix("table ") for line in listed.text.splitlines()] if listed.ok else []


def _rules(on: Context, program: str) -> dict[str, list[str]] | None:
    """Chains and rules by their tables, without counters. Tables without rules are left out: they do nothing.

    None where they can't be known, such as on a host that has no such program.
    """
    saved = on.host.run([f"{program}-save"])
    if not saved.ok:
        return None
    tables: dict[str, list[str]] = {}
    for line in saved.text.splitlines():
        if line.startswith("*"):
            tables[line[1:]] = []
        elif tables and not line.startswith(("#", "COMMIT")):
            tables[next(reversed(tables))].append(_COUNTERS.sub("[0:0]", line))
    return {table: lines for table, lines in tables.items() if not all(_BUILT_IN.match(line) for line in lines)}


def _is_empty(on: Context, table: str) -> bool:
    listed = on.host.run(["nft", "list", "table", *table.split()])
    return listed.ok and all(_EMPTY.fullmatch(line.strip()) for line in listed.text.splitlines())


def _restore(on: Context, program: str, kept: Mapping[str, list[str]] | None) -> None:
    """Take away what was brought. Where it isn't known what was there before, all rules may be somebody else's."""
    if kept is None:
        return
    now = _rules(on, program)
    if now == kept:
        return
    if now is None:
        raise CommandFailedTemporarily(f"the packet filter rules can't be read with {program}-save", host=on.host.name)
    wanted = {table: _without_brought(lines, kept.get(table, ())) for table, lines in now.items()}
    changed = {table: lines for table, lines in wanted.items() if lines != now[table]}
    if not changed:
        return
    text = "".join(f"{line}\n" for table, lines in changed.items() for line in (f"*{table}", *lines, "COMMIT"))
    ended = on.host.run([f"{program}-restore"], stdin=text.encode())
    if not ended.ok:
        raise CommandFailedTemporarily(
            f"the packet filter rules can't be put back with {program}-restore", host=on.host.name, seen=ended.said
        )


def _without_brought(now: Sequence[str], kept: Sequence[str]) -> list[str]:
    """A table as it would be if what was brought since had never come."""
    others = [line for line in now if not _BROUGHT.match(line)]
    if others == [line for line in kept if not _BROUGHT.match(line)]:
        return list(kept)  # with what an earlier Kubernetes left there, in its place
    return [*others, *(line for line in kept if _BROUGHT.match(line))]
