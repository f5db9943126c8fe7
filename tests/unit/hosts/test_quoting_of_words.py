"""Words reach every shell as they are."""

import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from klusterkit.hosts.prelude import prelude
from klusterkit.hosts.quoting import printed, word, words
from tests.support.debian import installed

SHELLS = [["sh"], ["bash"], ["dash"], ["busybox", "sh"]]
plain = st.binary(max_size=80).map(lambda data: data.replace(b"\0", b""))


@pytest.fixture(scope="module", autouse=True)
def _shells() -> None:
    installed(*(shell[0] for shell in SHELLS))


@settings(max_examples=50, deadline=None)
@given(
    values=st.lists(
        plain | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), min_size=1, max_size=4
    )
)
def test_words_are_read_as_they_are(values):
    expected = b"".join((value if isinstance(value, bytes) else value.encode()) + b"\0" for value in values)
    for shell in SHELLS:
        script = b"LC_ALL=C; printf '%s\\0' " + words(values) + b"\n"
        assert subprocess.run(shell, input=script, capture_output=True).stdout == expected


@settings(max_examples=50, deadline=None)
@given(data=st.binary(max_size=300) | st.text(max_size=100).map(lambda text: text.encode(errors="replace")))
def test_printed_bytes_come_out_as_they_are(data):
    for shell in SHELLS:
        assert subprocess.run(shell, input=printed(data) + b"\n", capture_output=True).stdout == data


def test_a_nul_has_no_word():
    with pytest.raises(ValueError, match="NUL"):
        word("a\0")


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[0])
def test_every_shell_reads_the_functions_without_a_word(shell):
    script = prelude() + b"kk_stat /etc/passwd >/dev/null && echo fine\n"
    ended = subprocess.run(shell, input=script, capture_output=True)
    assert (ended.stdout, ended.stderr) == (b"fine\n", b"")
