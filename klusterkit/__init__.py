"""KlusterKit: highly available Kubernetes on plain Linux hosts, over SSH, planned, journaled, undoable."""
