"""Fabric and paramiko, without what only their users' tests need: mocks, and with them asyncio and its servers.

Invoke, which both bring along, imports mocks for its ``MockContext``. That is a sixth of the time that a short command
takes. Every module of this package takes them from here, so that whichever comes first does it right.
"""

from klusterkit.lean import standing_in

with standing_in("unittest.mock", Mock=object):
    import fabric as fabric  # pyright: ignore[reportMissingTypeStubs]
    import paramiko as paramiko
    from paramiko.hostkeys import HostKeyEntry as HostKeyEntry
    from paramiko.hostkeys import InvalidHostKey as InvalidHostKey
