"""What a host is to the engine: over SSH, this machine itself, and simulated (:mod:`klusterkit.hosts.simulated`).

:class:`Fleet` is the way in: hosts by name, from plain values. ``docs/hosts.md`` tells how it works.
"""

from klusterkit.hosts.credentials import PrivateKey, load_private_key
from klusterkit.hosts.fleet import Fleet, Target
from klusterkit.hosts.hostkeys import HostKeys
from klusterkit.hosts.lease import Holder, Lease
from klusterkit.hosts.opening import Login
from klusterkit.hosts.question import Question
from klusterkit.hosts.shellhost import ShellHost

__all__ = [
    "Fleet",
    "Holder",
    "HostKeys",
    "Lease",
    "Login",
    "PrivateKey",
    "Question",
    "ShellHost",
    "Target",
    "load_private_key",
]
