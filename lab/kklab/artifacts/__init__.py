"""Components of a cluster, built or downloaded once into a mirror of the official download sites."""
