"""cctl, nodeadm, etcdadm: arguments in, views out, no logic."""
