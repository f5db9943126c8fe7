"""What the files, units and manifests say that a plan puts in place: texts from values, and nothing else."""
