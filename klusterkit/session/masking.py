"""Secrets are kept out of whatever is written or shown: every text passes through here on its way."""

from __future__ import annotations

import json
import re
import threading
from base64 import b64encode
from weakref import WeakSet

MASK = "[secret]"

_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL)
_SHORTEST = 8
"""Shorter pieces would mask ordinary words."""


class Mask:
    """Replaces the values of secrets that were opened, and anything that looks like a private key.

    A value of several lines is known by its lines too: a program that complains quotes one of them, not all. And in
    base64, as Secrets and kubeconfigs hold it; and as JSON and Python escape it in what programs and errors quote.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pieces: dict[str, None] = {}
        _IN_USE.add(self)

    def learn(self, value: bytes) -> None:
        """Never let this value through from now on. A public certificate is no secret, and isn't learnt."""
        text = value.decode(errors="replace").strip()
        if text.startswith(("-----BEGIN CERTIFICATE-----", "-----BEGIN PUBLIC KEY-----")):
            return
        encoded = b64encode(value).decode()
        pieces = [text, encoded, *(line.strip() for line in text.splitlines() if not line.startswith("-----"))]
        with self._lock:
            known = [*self._pieces, *(form for piece in pieces if len(piece) >= _SHORTEST for form in _forms(piece))]
            self._pieces = dict.fromkeys(sorted(known, key=len, reverse=True))

    def __call__(self, text: str) -> str:
        """The text without secrets."""
        for piece in self._pieces:
            text = text.replace(piece, MASK)
        return _PRIVATE_KEY.sub(MASK, text)


_IN_USE: WeakSet[Mask] = WeakSet()
"""Each goes with the command whose secrets it knows."""


def masked(text: str) -> str:
    """The text without any secret that this process has opened: for who tells of errors, whichever command failed."""
    for mask in list(_IN_USE) or [Mask()]:
        text = mask(text)
    return text


def _forms(piece: str) -> tuple[str, ...]:
    """As it is, and as others quote it: JSON with and without letters beyond ASCII, Go's JSON, Python by itself or
    inside a text that has both kinds of quotation marks.
    """
    plain = json.dumps(piece, ensure_ascii=False)[1:-1]
    go = plain.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    quoted = repr(piece)[1:-1]
    return piece, plain, json.dumps(piece)[1:-1], go, quoted, repr(f"{piece}'\"")[1:-4]
