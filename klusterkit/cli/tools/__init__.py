"""Commands of ``etcdadm`` and ``nodeadm``: as those of ``cctl``, for one host."""
