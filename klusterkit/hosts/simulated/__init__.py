"""A model host in memory: files, units, programs, a clock, and faults that a test can order."""

from klusterkit.hosts.question import Question
from klusterkit.hosts.simulated.clock import Clock
from klusterkit.hosts.simulated.faults import Call, Faults, Gate, SimulatedCrash
from klusterkit.hosts.simulated.host import SimulatedHost
from klusterkit.hosts.simulated.machine import Machine, default_facts, ends
from klusterkit.hosts.simulated.tree import Node, Tree

__all__ = [
    "Call",
    "Clock",
    "Faults",
    "Gate",
    "Machine",
    "Node",
    "Question",
    "SimulatedCrash",
    "SimulatedHost",
    "Tree",
    "default_facts",
    "ends",
]
