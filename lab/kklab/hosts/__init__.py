"""Test hosts: a base tree, an overlay per host, systemd-nspawn, a bridge, cgroups."""
