"""What a library or the system says of an error reaches the operator in words of ours."""

from __future__ import annotations

import errno
import json
import re
import socket
import ssl
import urllib.error
from pathlib import Path
from typing import Any, Literal

import paramiko
import pytest
import yaml
from paramiko.ssh_exception import NoValidConnectionsError
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from klusterkit.bundle.manifest import DeltaNote
from klusterkit.cluster import InvalidCluster, Machine
from klusterkit.engine.errors import HostUnreachable, UsageError
from klusterkit.engine.plan import API_VERSION, Plan
from klusterkit.foreign import misfits, words_of
from klusterkit.hosts.opening import mapped
from klusterkit.session.machines.wanted import read_machines
from klusterkit.state.errors import StateNotRecognised
from klusterkit.state.file import StateFile
from klusterkit.state.stream import encode_snapshot

THEIRS = re.compile(r"Value error|Input should|Field required|Extra inputs|Errno|urlopen|Error\b|pydantic")


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")

    port: int
    share: float = 0.5
    word: str = ""


class Outer(BaseModel):
    inner: Inner
    many: list[int] = []
    way: Literal["up", "down"] = "up"
    code: str = Field(default="", pattern="^a*$")
    yes: bool = True
    count: int = Field(default=1, ge=1)

    @field_validator("many")
    @classmethod
    def _few(cls, many: list[int]) -> list[int]:
        if len(many) > 2:
            raise ValueError("more than two are too many")
        return many


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({}, "inner is missing"),
        ({"inner": 1}, "inner should be a mapping"),
        ({"inner": {}}, "inner.port is missing"),
        ({"inner": {"port": "x"}}, "inner.port should be a whole number"),
        ({"inner": {"port": 1, "share": "x"}}, "inner.share should be a number"),
        ({"inner": {"port": 1, "word": 1}}, "inner.word should be text"),
        ({"inner": {"port": 1, "more": 1}}, "inner.more is not known"),
        ({"inner": {"port": 1}, "many": 1}, "many should be a list"),
        ({"inner": {"port": 1}, "many": [1, 2, 3]}, "many: more than two are too many"),
        ({"inner": {"port": 1}, "way": "left"}, "way should be 'up' or 'down'"),
        ({"inner": {"port": 1}, "code": "b"}, "code should match pattern '^a*$'"),
        ({"inner": {"port": 1}, "yes": "perhaps"}, "yes should be true or false"),
        ({"inner": {"port": 1}, "count": 0}, "count should be greater than or equal to 1"),
    ],
)
def test_what_does_not_fit_is_told_by_its_place_and_without_its_value(data: Any, said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Outer.model_validate(data)
    assert misfits(caught.value) == [said]


def yaml_error(text: str) -> BaseException:
    with pytest.raises(yaml.YAMLError) as caught:
        yaml.safe_load(text)
    return caught.value


def certificate_error() -> BaseException:
    error = ssl.SSLCertVerificationError(1, "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed (_ssl.c:1006)")
    error.verify_message = "self-signed certificate"
    return error


REFUSED = ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (FileNotFoundError(errno.ENOENT, "No such file or directory", "/x"), "No such file or directory"),
        (NoValidConnectionsError({("10.0.0.5", 22): REFUSED}), "Connection refused"),
        (urllib.error.URLError(REFUSED), "Connection refused"),
        (urllib.error.URLError("it leads away from https"), "it leads away from https"),
        (urllib.error.URLError(certificate_error()), "its certificate is not trusted: self-signed certificate"),
        (urllib.error.URLError(socket.gaierror(-2, "Name or service not known")), "Name or service not known"),
        (TimeoutError(), "no answer in time"),
        (TimeoutError("timed out"), "no answer in time"),
        (ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1006)"), "wrong version number"),
        (EOFError(), "it was cut off"),
        (OSError("cannot do it"), "cannot do it"),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"), "it is no text"),
        (yaml_error("a: [1\nb: 2"), "it is not YAML: expected ',' or ']', but got ':' in line 2"),
        (yaml_error("\0"), "it is not YAML"),
        (paramiko.SSHException("Error reading SSH protocol banner"), "Error reading SSH protocol banner"),
    ],
    ids=str,
)
def test_why_something_failed_is_told_without_numbers_and_names_of_classes(error: BaseException, said: str) -> None:
    assert words_of(error) == said


def test_a_host_that_nobody_answers_at_is_told_in_our_words() -> None:
    with pytest.raises(HostUnreachable) as caught, mapped("m1", "10.0.0.5", "root"):
        raise NoValidConnectionsError({("10.0.0.5", 22): REFUSED})
    assert caught.value.seen == "Connection refused"


def machines_in(folder: Path, text: str) -> None:
    path = folder / "machines.yaml"
    path.write_text(text)
    read_machines(path)


def state_of(folder: Path, snapshot: dict[str, Any]) -> None:
    path = folder / "state.yaml"
    path.write_bytes(encode_snapshot(snapshot)[0])
    StateFile.load(path)


def test_errors_of_every_kind_of_file_are_told_in_our_words(tmp_path: Path) -> None:
    head = {"apiVersion": API_VERSION, "kind": "Plan"}
    wrong = [
        lambda: state_of(tmp_path, {"apiVersion": "klusterkit.io/v1alpha1", "kind": "State", "serial": "x"}),
        lambda: Plan.parse({**head, "operation": 1, "serial": "x"}),
        lambda: Plan.from_yaml("{"),
        lambda: DeltaNote.parse(json.dumps({"base": "x"}).encode()),
        lambda: Machine.of(name="m1", address="10.0.0.5", roles="master", port="x"),
        lambda: machines_in(tmp_path, "- {ip: 10.0.0.5, role: master, port: x}"),
        lambda: machines_in(tmp_path, "- {ip: 10.0.0.5, role: master, colour: red}"),
        lambda: machines_in(tmp_path, "- {ip: ["),
    ]
    for act in wrong:
        with pytest.raises((StateNotRecognised, UsageError, InvalidCluster)) as caught:
            act()
        assert not THEIRS.search(f"{caught.value} {getattr(caught.value, 'seen', '')}"), caught.value
