"""Where artifacts come from: bundles and whom to trust for them, mirrors, registries, other hosts."""
