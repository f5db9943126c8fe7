"""One host by itself, for ``etcdadm`` and ``nodeadm``."""
