"""One command's hold on state, hosts and artifacts: what happens between a command line and a run."""

from klusterkit.session.session import Session
from klusterkit.session.settings import Settings

__all__ = ["Session", "Settings"]
