"""An operator's own objects in the cluster, deployed as a run."""
