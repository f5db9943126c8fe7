"""Bundles: built, signed, verified, compared. None of it needs a state file, but for the keys that one pins."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from klusterkit.bundle import ArtifactStore
from klusterkit.bundle.building import Tell, build, sign_manifest
from klusterkit.bundle.bundle import Bundle
from klusterkit.bundle.errors import NotTrusted, SignatureRefused
from klusterkit.bundle.manifest import Manifest
from klusterkit.bundle.minisign import PublicKey, Signature, verify
from klusterkit.bundle.publishing import publish
from klusterkit.bundle.reference import Place
from klusterkit.bundle.registry import Registry
from klusterkit.bundle.signingkey import SigningKey
from klusterkit.bundle.web import Web
from klusterkit.bundle.writing import Head, write
from klusterkit.cluster import LATEST, Architecture, Version
from klusterkit.engine.errors import UsageError
from klusterkit.foreign import words_of
from klusterkit.session.hold import expanded
from klusterkit.session.private import write_private
from klusterkit.session.settings import RegistryAccess, Settings
from klusterkit.session.supply.contents import contents_of
from klusterkit.session.supply.supplies import account_of, source_of
from klusterkit.session.supply.tools import tools_file

PASSPHRASE_VARIABLE = "KLUSTERKIT_BUNDLE_PASSPHRASE_FILE"  # noqa: S105 - the name of a variable

Ask = Callable[[bool], str]
"""Asks for a passphrase; told whether it is a new one."""


def build_bundle(
    settings: Settings,
    versions: Iterable[str],
    out: Path,
    *,
    architecture: str = Architecture.AMD64,
    tools: Path | None = None,
    key: SigningKey | None = None,
    tell: Tell = lambda _, __: None,
) -> Manifest:
    """Bring everything for these versions of Kubernetes, and write it as one file.

    Args:
        settings: say where it comes from.
        versions: none for the latest.
        out: the bundle.
        architecture: of the hosts.
        tools: the single file of the tools, to be in it too.
        key: signs it.
        tell: told what comes.
    """
    chosen = Architecture.parse(architecture)
    contents = contents_of([Version.parse(text) for text in versions] or [LATEST], chosen)
    if tools:
        contents = replace(contents, own=[*contents.own, tools_file(tools, chosen)])
    source, store = source_of(settings, chosen), ArtifactStore(settings.cache)
    return build(contents, source, store, expanded(out), created=now(), key=key, tell=tell)


def now(environ: Mapping[str, str] = os.environ) -> datetime:
    """The time, or that of ``SOURCE_DATE_EPOCH``, for bundles that are equal byte for byte."""
    fixed = environ.get("SOURCE_DATE_EPOCH", "")
    return datetime.fromtimestamp(int(fixed) if fixed.isdigit() else int(time.time()), UTC)


def create_signing_key(path: Path, ask: Ask | None, *, plain: bool) -> PublicKey:
    """Write a new signing key, 0600, and its public half beside it. Nothing is overwritten."""
    path = expanded(path)
    public = public_path(path)
    for file in (path, public):
        if file.exists():
            raise UsageError(f"there is {file} already", hint="name another file with --out")
    key = SigningKey.create()
    try:
        write_private(path, key.file(None if plain else _passphrase(ask)(True)).decode())
        public.write_text(key.public.file)
    except OSError as error:
        raise UsageError(f"{path} can't be written: {words_of(error)}", hint="name another file with --out") from None
    return key.public


def public_path(path: Path) -> Path:
    """Where the public half of a key is."""
    return path.with_suffix(".pub")


def load_signing_key(path: Path, ask: Ask | None) -> SigningKey:
    """A signing key from its file, opened by its passphrase if it has one."""
    return SigningKey.parse(_read(expanded(path), "signing key"), lambda: _passphrase(ask)(False), str(path))


def _passphrase(ask: Ask | None, environ: Mapping[str, str] = os.environ) -> Ask:
    named = environ.get(PASSPHRASE_VARIABLE)
    if named:
        lines = _read(expanded(Path(named)), "passphrase").decode(errors="replace").splitlines()
        return lambda _: lines[0] if lines else ""
    if ask is None:
        raise UsageError(
            "there is no terminal to ask for the signing key's passphrase",
            hint=f"name a file that holds it: {PASSPHRASE_VARIABLE}",
        )
    return ask


def sign_bundle(path: Path, key: SigningKey) -> Manifest:
    """Sign a bundle. Its content is verified first, and it is replaced as a whole."""
    return _with_signature(path, lambda manifest: sign_manifest(manifest, key, now()))


def put_signature(path: Path, signature: Path, keys: Sequence[PublicKey] | None) -> Manifest:
    """Put a signature into a bundle that was made elsewhere. Its content is verified first.

    Args:
        path: the bundle. It is replaced as a whole, or left as it is.
        signature: a file that ``minisign -S`` made of the manifest.
        keys: one of which is to have made it; None where no key is at hand: then its form is all that is looked at.

    Raises:
        SignatureRefused: it is none, or of something else, or made by another key.
    """
    made = _read(expanded(signature), "signature")

    def belonging(manifest: Manifest) -> bytes:
        try:
            Signature.parse(made) if keys is None else verify(manifest.content, made, keys)
        except NotTrusted as error:
            raise SignatureRefused(
                f"{signature} isn't put into {path}: {error.message}", seen=error.seen, hint=_SIGNING
            ) from None
        return made

    return _with_signature(path, belonging)


_SIGNING = (
    "sign the manifest that is in this bundle (tar -xf BUNDLE manifest.json; minisign -S -m manifest.json) "
    "with a key that the state pins, or name its public half: --key KEY"
)


def _with_signature(path: Path, signature: Callable[[Manifest], bytes]) -> Manifest:
    path = expanded(path)
    with Bundle.open(path) as bundle:
        head = Head(bundle.manifest, signature(bundle.manifest), bundle.sbom)
        write(path, head, bundle.manifest.blobs, bundle.pieces)
        return bundle.manifest


def verified(path: Path, keys: Sequence[PublicKey]) -> Manifest:
    """See that a bundle is signed by one of the keys, and whole. Raises ``BundleRefused``."""
    with Bundle.open(expanded(path), keys) as bundle:
        bundle.verify_content()
        return bundle.manifest


def publish_images(
    settings: Settings,
    path: Path,
    keys: Sequence[PublicKey],
    access: RegistryAccess,
    tell: Callable[[str], None] = lambda _: None,
) -> int:
    """Put the images of a bundle into a registry, when it is seen to be signed and whole. Returns how many.

    Raises:
        BundleRefused, RegistryRefused, MirrorUnreachable.
    """
    place = Place.parse(access.place)
    registry = Registry(place, Web(access.ca), account_of(access))
    with Bundle.open(expanded(path), keys) as bundle:
        bundle.verify_content()
        return publish(bundle, registry, place, ArtifactStore(settings.cache), tell)


def _read(path: Path, what: str) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(1 << 16)
    except OSError as error:
        raise UsageError(f"the {what} {path} can't be read: {words_of(error)}", hint="name another file") from None
