"""One address for the API: keepalived on all masters, which one of them at a time holds it by."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from klusterkit.cluster import API_PORT, Machine, Vip
from klusterkit.cluster.artifacts import keepalived_image
from klusterkit.plans.draft import Draft, Needs
from klusterkit.plans.files import keepalived, units
from klusterkit.plans.host import Prepared
from klusterkit.plans.request import CreateRequest, Target, interface_of
from klusterkit.plans.shared import directory, import_images, service, text_file, tree, unit
from klusterkit.tasks.imagetree import ImageTree
from klusterkit.tasks.reloaded import ReloadedFile

ROOT = "/usr/local/lib/keepalived"
UNIT = "keepalived.service"


def widen(request: CreateRequest, draft: Draft) -> list[str]:
    """Tell the masters that are there about those that come. One that holds the address has to be heard by all.

    Otherwise a master that comes would hear nobody, and take the address too.
    """
    vip = request.cluster.vip
    if vip is None or not any(machine.is_master for machine in request.machines):
        return []
    return [
        draft.on(machine.name).add("keepalived/peers", _peers(vip, machine, request.masters), cost=0.1)
        for machine in request.existing
        if machine.is_master
    ]


def narrow(vip: Vip, draft: Draft, machine: Machine, masters: Sequence[Machine], *needs: Needs) -> str:
    """Tell a master that stays who is left: those that have gone would be waited for in vain."""
    return draft.on(machine.name).add("keepalived/peers", _peers(vip, machine, masters), *needs, cost=0.1)


def _peers(vip: Vip, machine: Machine, masters: Iterable[Machine]) -> ReloadedFile:
    text = _text(vip, machine, str(machine.interface), masters)
    return ReloadedFile(unit=UNIT, path=keepalived.PATH, content=text)


def _text(vip: Vip, machine: Machine, interface: str, masters: Iterable[Machine]) -> str:
    peers = [str(other.address) for other in masters if other.name != machine.name]
    return keepalived.configuration(vip, interface, str(machine.address), peers, API_PORT)


def share_address(target: Target, prepared: Prepared, ready: str, widened: Sequence[str]) -> list[str]:
    """keepalived on a master. It is started when the API server beside it is ready, and stopped before that is."""
    vip = target.cluster.vip
    if vip is None:
        return []
    add, preflight = target.tasks.add, prepared.preflight
    interface = interface_of(target.machine, target.facts)
    text = _text(vip, target.machine, interface, target.request.masters)
    folder = add("keepalived/folder", directory(keepalived.FOLDER), preflight)
    own = units.keepalived(
        ROOT,
        f"{vip.address}/{vip.address.max_prefixlen}",
        interface,
        can_lower_oom_score=target.facts.can_lower_oom_score,
    )
    scopes = add("keepalived/containers", directory(keepalived.CONTAINERS), preflight)
    order = text_file(f"{keepalived.CONTAINERS}/klusterkit.conf", keepalived.CONTAINERS_ORDER)
    needs = (
        _files(target, prepared),
        add("keepalived/configuration", text_file(keepalived.PATH, text), folder),
        add("keepalived/check", text_file(keepalived.CHECK_PATH, keepalived.CHECK, 0o755), folder),
        add("keepalived/hand-over", text_file(keepalived.HAND_OVER_PATH, keepalived.HAND_OVER, 0o755), folder),
        # systemd reads both when it is told of the unit.
        add("keepalived/unit", unit(UNIT, own), add("keepalived/containers/order", order, scopes), cost=0.2),
    )
    return [add("keepalived/start", service(UNIT, text), *needs, ready, widened, cost=0.3)]


def _files(target: Target, prepared: Prepared) -> str:
    reference = keepalived_image(target.cluster.release)
    imported = import_images(target, [reference], prepared.preflight, prepared.containerd)
    root = target.tasks.add("keepalived/root", tree(ROOT), prepared.preflight)
    step = ImageTree(reference=reference, sha256=target.artifact(reference).sha256, path=ROOT)
    return target.tasks.add("keepalived/files", step, root, imported.values(), cost=0.5)
