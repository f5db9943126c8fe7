"""How things stand: the run in progress, and on each machine what is wanted, what is there, and what to do."""

from klusterkit.session.status.model import Component, EtcdState, Member, RunState, StatusReport
from klusterkit.session.status.standing import looks, status_of

__all__ = ["Component", "EtcdState", "Member", "RunState", "StatusReport", "looks", "status_of"]
