"""Ways into the cluster and its machines: kubeconfigs and shells."""
