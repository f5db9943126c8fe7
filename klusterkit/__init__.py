"""KlusterKit: highly available Kubernetes on plain Linux hosts, over SSH, planned, journaled, undoable."""

__version__ = "0.1.0"
