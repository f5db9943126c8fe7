"""The certificates of a machine: read without their keys, and judged by how long they last."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from klusterkit import pki
from klusterkit.cluster import Machine
from klusterkit.engine.host import Host
from klusterkit.pki import Life
from klusterkit.session.status.model import Component
from klusterkit.tasks.certificates import Certificate, Issued

NAME = "certificates"
PATIENCE = 6.0
_IN_KUBECONFIG = "client-certificate-data:"
_WANTED = "as they were issued, with more than a third of their life to go"
_RENEW = (
    "see who has changed them. What they prove isn't believed once they have ended: a machine that leaves and comes"
    " back has new ones; nothing renews them in place yet"
)


@dataclass(frozen=True)
class CertificateSeen:
    """One certificate. No life: it is missing or damaged."""

    path: str
    life: Life | None
    reasons: tuple[str, ...]
    """Why it isn't the wanted one."""


def look(host: Host, issued: Sequence[Issued], secret: Callable[[str], bytes]) -> tuple[CertificateSeen, ...]:
    """The certificates that were issued to a host. Keys stay there: they are read by nobody but those who use them."""
    alone = [step for step in issued if isinstance(step, Certificate)]
    inside = [step for step in issued if not isinstance(step, Certificate)]
    texts: dict[str, str] = {}
    for path, line in _lines(host, "", alone):
        texts[path] = f"{texts.get(path, '')}{line}\n"
    for path, line in _lines(host, _IN_KUBECONFIG, inside):
        texts[path] = _decoded(line.partition(_IN_KUBECONFIG)[2])
    return tuple(_seen(step, texts.get(step.public, ""), secret) for step in issued)


def _lines(host: Host, holding: str, issued: Sequence[Issued]) -> Iterator[tuple[str, str]]:
    if not issued:
        return
    found = host.run(["grep", "-Hs", "--", holding, *(step.public for step in issued)], timeout=PATIENCE)
    for line in found.out.decode(errors="replace").splitlines():
        path, _, text = line.partition(":")
        yield path, text


def _decoded(text: str) -> str:
    try:
        return b64decode(text.strip()).decode()
    except ValueError:
        return ""


def _seen(step: Issued, text: str, secret: Callable[[str], bytes]) -> CertificateSeen:
    try:
        life = pki.life(text)
    except ValueError:
        return CertificateSeen(step.public, None, ("missing or damaged",))
    authority = secret(f"{step.authority}.crt").decode()
    return CertificateSeen(step.public, life, tuple(pki.check(text, None, authority, step.leaf, datetime.now(UTC))))


def lasting(machine: Machine, seen: Sequence[CertificateSeen], now: datetime | None = None) -> Component:
    """All certificates of a machine as one component: as good as the one that ends first."""
    now = now or datetime.now(UTC)
    if not seen:
        return Component.wrong(machine.name, NAME, _WANTED, "none is in the host's record", _RENEW, "missing")
    lives = {each.path: each.life for each in seen if each.life}
    brief, last = _first_end(lives, now)
    wrong = [f"{each.path}: {reason}" for each in seen for reason in each.reasons]
    if wrong:
        return Component.wrong(machine.name, NAME, _WANTED, "\n".join(wrong), _RENEW, brief or "missing")
    return Component.right(machine.name, NAME, _WANTED, f"{len(seen)}{last}", brief)


def _first_end(lives: Mapping[str, Life], now: datetime) -> tuple[str, str]:
    if not lives:
        return "", ""
    path, life = min(lives.items(), key=lambda item: item[1].ends)
    days = life.days_left(now)
    return "ended" if life.over(now) else f"{days} d", f", {path} ends on {life.ends:%Y-%m-%d}, in {days} days"
