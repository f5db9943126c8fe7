"""Probes of several nodes run at once: none may have another's pods, however alike their nodes are called."""

import re

import yaml
from hypothesis import assume, example, given
from hypothesis import strategies as st

from klusterkit.cluster.names import LABEL_LIMIT, NODE_NAME_LIMIT, subdomain
from klusterkit.tasks.probe import ServiceProbe, name_on, selector

LABEL = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
"""RFC 1035, which Services follow."""


def nodes() -> st.SearchStrategy[str]:
    """Names of nodes, many of them long, alike, and with dots."""
    parts = st.lists(st.sampled_from(["prod-datacenter-west", "kubernetes", "worker", "0", "1", "a", "b"]), min_size=1)
    alike = st.builds(lambda parts, by: by.join(parts), parts, st.sampled_from("-."))
    any_name = st.from_regex(
        r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?)*", fullmatch=True
    )
    return st.one_of(alike, any_name).filter(lambda name: len(name) <= NODE_NAME_LIMIT)


@given(nodes(), nodes())
@example("prod-datacenter-west-kubernetes-worker-01", "prod-datacenter-west-kubernetes-worker-02")
@example("a.b", "a-b")
def test_probes_of_different_nodes_have_different_names(one: str, other: str) -> None:
    assume(one != other)
    assert name_on(one) != name_on(other)
    assert selector(one) != selector(other)


@given(nodes())
@example("a" * NODE_NAME_LIMIT)
@example(f"{'a' * 27}.{'b' * 24}")
def test_whatever_a_node_is_called_all_names_of_its_probe_are_dns_labels(node: str) -> None:
    subdomain(node, "node name", NODE_NAME_LIMIT)
    made = list(yaml.safe_load_all(ServiceProbe(node=node, image="i", dns_domain="cluster.local").manifest()))
    assert len(made) == 3
    for each in made:
        for name in (each["metadata"]["name"], each["metadata"]["labels"]["klusterkit.io/probe"]):
            assert len(name) <= LABEL_LIMIT
            assert LABEL.fullmatch(name)
