"""What a host is to the engine: over SSH, local, and simulated."""
