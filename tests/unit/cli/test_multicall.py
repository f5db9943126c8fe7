"""One program for three names."""

import pytest

from klusterkit.cli.multicall import TOOLS, chosen


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("called", ["{}", "/usr/local/bin/{}", "./{}", "{}-0.1.0-linux-amd64"])
def test_the_name_that_it_is_called_by_chooses_the_tool(tool, called):
    assert chosen([called.format(tool), "version", "-o", "json"]) == (tool, ["version", "-o", "json"])


@pytest.mark.parametrize("tool", TOOLS)
def test_under_another_name_the_first_word_chooses(tool):
    assert chosen(["klusterkit", tool, "version"]) == (tool, ["version"])


@pytest.mark.parametrize("arguments", [[], ["klusterkit"], ["klusterkit", "kubectl"], ["klusterkit-0.1.0-linux-amd64"]])
def test_without_a_tool_none_is_chosen(arguments):
    assert chosen(arguments) == (None, [])
