"""Whether hosts are fit, check by check."""

from __future__ import annotations

from example_runs import paper, said

from klusterkit.report.preflightview import show_examined
from klusterkit.session.machines.preflight import Check, Examined
from klusterkit.tasks.preflight import Refusal

SWAP = Refusal(what="swap is on", seen="2 GiB", hint="swapoff -a")
SLOW = Refusal(what="one processor is little", seen="1", hint="expect it to be slow", fatal=False)


def drawn(*hosts: Examined) -> str:
    console = paper()
    show_examined(console, hosts)
    return said(console)


def host(name: str, *refusals: Refusal) -> Examined:
    checks = (Check(name="system", seen="debian-12"), Check(name="resources", seen="1 processor", refusals=refusals))
    return Examined(machine=name, roles=("master",), reached=True, checks=checks)


def test_each_check_is_told_with_what_was_seen():
    assert (
        drawn(host("m1"))
        == """\
m1 as master: fit
  ok  system     debian-12
  ok  resources  1 processor

all can be used
"""
    )


def test_what_is_against_a_host_is_told_with_what_to_do_and_what_is_only_bad_advice_is_not_against_it():
    assert (
        drawn(host("m1", SLOW), host("m2", SWAP, SLOW))
        == """\
m1 as master: fit
  ok  system     debian-12
  !   resources  one processor is little (1)
                   what to do: expect it to be slow

m2 as master: not fit
  ok  system     debian-12
  no  resources  swap is on (2 GiB)
                   what to do: swapoff -a
                 one processor is little (1)
                   what to do: expect it to be slow

1 host can't be used as it is
"""
    )
