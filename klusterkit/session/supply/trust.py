"""Whose bundles are used: public keys pinned in the state file, and no bundle older than the last one."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from pathlib import Path

from klusterkit.bundle.bundle import Bundle
from klusterkit.bundle.errors import BundleRefused, NotTrusted
from klusterkit.bundle.manifest import Manifest
from klusterkit.bundle.minisign import PublicKey
from klusterkit.engine.errors import UsageError
from klusterkit.foreign import words_of
from klusterkit.session.hold import Hold, expanded


def public_key(text: str) -> PublicKey:
    """A public key from its line of base64, or from the file that holds it. Raises ``UsageError``."""
    path = expanded(Path(text))
    if not path.is_file():
        return PublicKey.parse(text, repr(text))
    try:
        return PublicKey.parse(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"the public key {path} can't be read: {words_of(error)}", hint="name another file") from None


def trust(hold: Hold, keys: Iterable[PublicKey]) -> None:
    """Pin keys. Several may be there, so that one can take over from another."""
    pinned = hold.snapshot.bundle_keys
    _pin(hold, list(dict.fromkeys([*pinned, *(key.text for key in keys)])))


def forget(hold: Hold, keys: Iterable[PublicKey]) -> None:
    """Trust keys no more. Raises ``UsageError`` for one that wasn't pinned."""
    pinned, going = hold.snapshot.bundle_keys, [key.text for key in keys]
    if unknown := [text for text in going if text not in pinned]:
        raise UsageError(
            f"{hold.state.path} doesn't pin the key {unknown[0]}", seen=f"pinned: {', '.join(pinned) or 'none'}"
        )
    _pin(hold, [text for text in pinned if text not in going])


def _pin(hold: Hold, keys: Sequence[str]) -> None:
    hold.refuse_run_in_progress()
    if list(keys) != hold.snapshot.bundle_keys:
        hold.state.fold(hold.snapshot.model_copy(update={"bundle_keys": list(keys)}))


def pin_given_keys(hold: Hold) -> None:
    """Pin the keys that the command was given. While a run is in progress it is the command alone that trusts them."""
    if not hold.state.records:  # folding would end the run
        trust(hold, map(PublicKey.parse, hold.settings.bundle_keys))


def trusted_keys(hold: Hold) -> list[PublicKey]:
    """The keys that the state pins, and those that the command was given. Raises ``NotTrusted`` when there is none."""
    keys = dict.fromkeys([*hold.snapshot.bundle_keys, *hold.settings.bundle_keys])
    if not keys:
        raise NotTrusted(
            f"{hold.state.path} pins no key, so no bundle can be trusted",
            hint="pin the public key of whoever signs your bundles: cctl bundle trust KEY",
        )
    return [PublicKey.parse(text) for text in keys]


@contextmanager
def trusted_bundle(hold: Hold, path: Path) -> Generator[Bundle]:
    """A bundle that may be used: signed by a trusted key, whole, and not older than the last one that was.

    Raises:
        BundleRefused: it is none.
    """
    with signed_bundle(hold, path) as bundle:
        bundle.verify_content()
        yield bundle


@contextmanager
def signed_bundle(hold: Hold, path: Path) -> Generator[Bundle]:
    """Likewise, as far as its head tells, which is soon read."""
    with Bundle.open(path, trusted_keys(hold)) as bundle:
        _refuse_older(hold, bundle.manifest)
        yield bundle


def _refuse_older(hold: Hold, manifest: Manifest) -> None:
    last = hold.snapshot.bundle
    if last is None or manifest.created >= last["created"] or hold.settings.allow_older_bundle:
        return
    raise BundleRefused(
        f"it is older than the last one that was used: made {manifest.created}, that one {last['created']}",
        hint="take the newer one; if the older one is meant, say --allow-older-bundle",
    )


def record_of(manifest: Manifest) -> dict[str, str]:
    """What the state remembers of a bundle that was used."""
    return {"id": manifest.id, "created": manifest.created}
