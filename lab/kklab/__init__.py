"""The lab: real hosts and a mirror of real components on one Linux machine."""
