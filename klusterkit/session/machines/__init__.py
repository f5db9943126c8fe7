"""Machines of the cluster: what is wanted, what can be, and the plans that make and remove them."""
