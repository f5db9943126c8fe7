"""Commands that need no host: the credential, the cluster, and what they leave in the state file."""

from __future__ import annotations

import json
import re
import stat
from itertools import product

import pytest
import yaml

from klusterkit.cli.cctl import cctl
from klusterkit.cli.guard import guarded
from klusterkit.cli.kinds import KINDS
from klusterkit.cli.options import Output
from tests.unit.cli.laptop import STRANGER, Operator


def test_the_first_command_makes_a_key_and_a_state_file_for_the_owner_alone(operator: Operator):
    done = operator.cctl("create", "credential", "--user", "root", "--private-key", str(operator.key))
    assert re.fullmatch(r"kept the credential of root, key SHA256:\S{43}\n", done.stdout)
    assert "note: made a key:" in done.stderr
    for file in ("cctl-state.yaml", ".config/klusterkit/identity.txt"):
        assert stat.S_IMODE((operator.home / file).stat().st_mode) == 0o600
    assert "made a key" not in operator.cctl("get", "credential").stderr


def test_a_refused_first_command_leaves_nothing_and_the_corrected_one_says_all(operator: Operator):
    command = ["create", "credential", "--private-key", "id", "--recipient"]
    assert "'bad' is no age X25519 recipient" in operator.cctl(*command, "bad", code=3).stderr
    assert sorted(path.name for path in operator.home.iterdir() if path.suffix != ".lock") == ["id", "id.pub"]
    assert "note: made a key:" in operator.cctl(*command, STRANGER).stderr
    assert STRANGER in (operator.home / "cctl-state.yaml").read_text()


@pytest.mark.parametrize(
    "command",
    [
        ["cluster", "--vip", "255.255.255.255", "--router-id", "5"],
        ["cluster", "--pod-network", "10.2.0.1/16"],
        ["cluster", "--registry", "registry.example.com:0"],
        ["cluster", "--bundle-key", "nothing"],
        ["cluster", "--cni", "nothing"],
        ["credential", "--private-key", "nothing"],
        ["credential", "--private-key", "id", "--user", "a b"],
    ],
    ids=" ".join,
)
def test_what_is_refused_for_itself_makes_neither_a_state_file_nor_its_key(operator: Operator, command: list[str]):
    assert "made a key" not in operator.cctl("create", *command, code=3).stderr
    assert sorted(path.name for path in operator.home.iterdir() if path.suffix != ".lock") == ["id", "id.pub"]


def test_a_new_state_file_says_which_key_opens_it_even_if_that_was_made_before(operator: Operator):
    operator.cctl("create", "credential", "--private-key", "id")
    (operator.home / "cctl-state.yaml").rename(operator.home / "elsewhere.yaml")
    said = operator.cctl("create", "credential", "--private-key", "id").stderr
    assert "note: sealed for your key:" in said
    assert "Carry it along" in " ".join(said.split())


@pytest.mark.parametrize(
    ("options", "word"), [(["--recipient", STRANGER], STRANGER), (["--insecure-plaintext-state"], "encrypted")]
)
@pytest.mark.parametrize("command", [["create", "cluster"], ["get", "credential"]], ids=" ".join)
def test_how_a_new_state_file_is_sealed_is_refused_where_it_is_there(
    begun: Operator, options: list[str], word: str, command: list[str]
):
    said = begun.cctl(*command, *options, code=3).stderr
    assert "is there already" in said
    assert word in said
    assert "what to do: " in said


def test_what_a_state_file_is_may_be_said_again(operator: Operator):
    operator.cctl("create", "credential", "--private-key", "id", "--recipient", STRANGER)
    operator.cctl("create", "cluster", "--recipient", STRANGER)


def test_the_three_commands_have_the_defaults_of_the_original(operator: Operator):
    operator.cctl("create", "credential", "--private-key", "id")
    operator.cctl("create", "cluster")
    shown = json.loads(operator.cctl("get", "cluster", "-o", "json").stdout)
    networks = shown["spec"]["clusterNetwork"]
    assert shown["metadata"]["name"] == "cctl-cluster"
    assert networks["pods"]["cidrBlocks"] == ["10.2.0.0/16"]
    assert networks["services"]["cidrBlocks"] == ["10.1.0.0/16"]


def test_options_of_the_cluster_are_kept(operator: Operator):
    operator.cctl("create", "credential", "--private-key", "id")
    options = ["--kubernetes-version", "1.36.3", "--cni", "none", "--dns-domain", "site.example", "--name", "blue"]
    operator.cctl("create", "cluster", *options)
    row = operator.cctl("get", "cluster", "-o", "wide").stdout.splitlines()[1].split()
    assert row == ["blue", "v1.36.3", "-", "10.2.0.0/16", "10.1.0.0/16", "none", "site.example", "-", "-", "-"]


def test_what_was_made_is_shown_as_get_shows_it(operator: Operator):
    for form in ("json", "yaml", "name"):
        (operator.home / "cctl-state.yaml").unlink(missing_ok=True)
        credential = operator.cctl("create", "credential", "--private-key", "id", "-o", form).stdout
        cluster = operator.cctl("create", "cluster", "-o", form).stdout
        assert credential == operator.cctl("get", "credential", "-o", form).stdout
        assert cluster == operator.cctl("get", "cluster", "-o", form).stdout


def test_get_shows_tables_data_and_names(begun: Operator):
    assert begun.cctl("get", "cluster").stdout.splitlines()[1].split()[:2] == ["cctl-cluster", "v1.37.2"]
    assert begun.cctl("get", "cluster", "-o", "name").stdout == "cluster/cctl-cluster\n"
    assert yaml.safe_load(begun.cctl("get", "credential", "-o", "yaml").stdout)["spec"]["user"] == "root"
    assert json.loads(begun.cctl("get", "machine", "-o", "json").stdout)["items"] == []
    nothing = begun.cctl("get", "machine")
    assert (nothing.stdout, nothing.stderr) == ("", "no machine yet\n")


def test_get_never_shows_a_secret(begun: Operator, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", str(begun.home))
    for what, form in product([*KINDS, "all"], Output):
        state = ["--state", str(begun.home / "cctl-state.yaml")]
        assert guarded(cctl(), ["get", what, "-o", form, *state]) == 0
    said = "".join(capsys.readouterr())
    assert "SHA256:" in said
    for line in begun.key.read_text().splitlines():
        assert line not in said
    assert "PRIVATE KEY" not in said


def test_overlapping_networks_are_refused_with_what_where_and_what_to_do(operator: Operator):
    operator.cctl("create", "credential", "--private-key", "id")
    before = (operator.home / "cctl-state.yaml").read_bytes()
    wrong = ["--pod-network", "10.0.0.0/16", "--service-network", "10.0.1.0/24"]
    done = operator.cctl("create", "cluster", *wrong, code=3)
    assert re.match(r"error: .*overlap\n  where: .*\n  what to do: ", done.stderr)
    assert (operator.home / "cctl-state.yaml").read_bytes() == before


def test_a_second_cluster_or_credential_is_refused(begun: Operator):
    assert "has a cluster already" in begun.cctl("create", "cluster", code=3).stderr
    assert "has a credential already" in begun.cctl("create", "credential", "--private-key", "id", code=3).stderr


@pytest.mark.parametrize("user", ["two words", "a\nb", "-oProxyCommand=x"])
def test_a_user_whom_nobody_could_log_in_as_is_refused(operator: Operator, user: str):
    said = operator.cctl("create", "credential", "--user", user, "--private-key", "id", code=3).stderr
    assert "can't be a user" in said
    assert not (operator.home / "cctl-state.yaml").exists()


def test_a_credential_takes_the_place_of_another_where_that_is_asked_for(begun: Operator):
    begun.cctl("create", "credential", "--user", "admin", "--private-key", "id", "--replace")
    kept = json.loads(begun.cctl("get", "credential", "-o", "json").stdout)
    assert kept["spec"]["user"] == "admin"


def test_a_certificate_that_outlives_everybody_is_refused(begun: Operator):
    assert "36500" in begun.cctl("kubeconfig", "--days", "99999999999", code=3).stderr


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_without_standard_streams_a_command_does_what_it_does(begun: Operator, closed: str):
    begun.cctl("get", "credential", "-o", "name", without=closed)
    begun.cctl("delete", "cluster", "--yes", "--confirm", "cctl-cluster", without=closed)


def test_a_state_file_that_another_command_holds_is_locked(begun: Operator):
    import fcntl

    with (begun.home / "cctl-state.yaml.lock").open("r+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert "is locked" in begun.cctl("create", "cluster", code=4).stderr
        assert begun.cctl("get", "cluster").stdout


@pytest.mark.parametrize("command", ["get cluster", "get credential", "history", "status", "state recipient list"])
def test_what_is_no_secret_can_be_read_without_the_key(begun: Operator, command: str):
    (begun.home / ".config/klusterkit/identity.txt").rename(begun.home / "elsewhere")
    begun.cctl(*command.split())


def test_what_changes_the_state_needs_the_key(begun: Operator):
    (begun.home / ".config/klusterkit/identity.txt").rename(begun.home / "elsewhere")
    said = begun.cctl("create", "machine", "--ip", "10.0.0.5", "--role", "master", "--yes", code=3).stderr
    assert "no key at hand opens it" in said
    assert "--identity" in said


def test_a_state_file_in_a_folder_that_is_not_there_is_a_usage_error(operator: Operator):
    said = operator.cctl("--state", "no/state.yaml", "create", "credential", "--private-key", "id", code=3).stderr
    assert "there is no folder" in said
    assert "make the folder first" in said


@pytest.mark.parametrize("command", ["resume", "state rekey", "plan create machine --ip 10.0.0.5 --role node"])
@pytest.mark.parametrize("content", [None, b"", b"words: of somebody else\n"], ids=["missing", "empty", "foreign"])
def test_nothing_is_left_beside_what_is_no_state_file(operator: Operator, command: str, content: bytes | None):
    path = operator.home / "wrong.yaml"
    if content is not None:
        path.write_bytes(content)
    before = sorted(operator.home.iterdir())
    operator.cctl("--state", "wrong.yaml", *command.split(), code=3)
    assert sorted(operator.home.iterdir()) == before
    assert content is None or path.read_bytes() == content


def test_a_damaged_state_file_is_refused(begun: Operator):
    path = begun.home / "cctl-state.yaml"
    path.write_bytes(path.read_bytes().replace(b"192.168.0.0", b"192.167.0.0"))
    assert "error: " in begun.cctl("get", "cluster", code=3).stderr


def test_a_state_file_in_plain_text_says_so_each_time(operator: Operator):
    operator.cctl("--insecure-plaintext-state", "create", "credential", "--private-key", "id")
    assert "PLAIN TEXT" in operator.cctl("get", "credential").stderr


def test_without_a_run_there_is_nothing_to_go_on_with(begun: Operator):
    for command in (["resume"], ["rollback", "--yes"], ["rollback"]):
        assert "error: no run is in progress" in begun.cctl(*command, code=3).stderr
    assert begun.cctl("history").stderr == "no run has ended yet\n"
    assert json.loads(begun.cctl("history", "-o", "json").stdout) == []


def test_a_plan_that_is_none_is_refused(begun: Operator):
    (begun.home / "plan.yaml").write_text("kind: Plan\n")
    assert "not a saved plan" in begun.cctl("apply", "plan.yaml", code=3).stderr
    assert "can't be read" in begun.cctl("apply", "nothing.yaml", code=3).stderr


@pytest.mark.parametrize("command", ["apply --yes", "plan apply", "deploy --yes", "plan deploy"])
@pytest.mark.parametrize(
    ("content", "why"),
    [(None, "No such file"), (b"\xff", "it is no text"), (b"a: [", "not YAML"), (b"", "no object in")],
)
def test_objects_that_cannot_be_read_are_refused_with_what_to_do(
    begun: Operator, command: str, content: bytes | None, why: str
):
    if content is not None:
        (begun.home / "objects.yaml").write_bytes(content)
    said = begun.cctl(*command.split(), "-f", "objects.yaml", code=3).stderr
    assert "objects.yaml" in said
    assert why in said
    assert "what to do:" in said


def test_objects_that_cannot_be_deployed_are_refused_before_any_host_is_asked_and_the_state_stays(begun: Operator):
    (begun.home / "web.yaml").write_text("kind: Pod\n---\napiVersion: v1\nkind: List\nitems: []\n")
    before = (begun.home / "cctl-state.yaml").read_bytes()
    said = " ".join(begun.cctl("deploy", "-f", "web.yaml", "--yes", code=3).stderr.split())
    assert "web.yaml, document 1 has no apiVersion and no metadata.name" in said
    assert "web.yaml, document 2 is a List" in said
    assert said.count("what to do:") == 2
    assert (begun.home / "cctl-state.yaml").read_bytes() == before


def test_objects_can_be_given_on_standard_input(begun: Operator):
    assert "there is no object in -" in begun.cctl("plan", "deploy", "-f", "-", code=3).stderr


def test_nothing_is_deployed_to_a_cluster_without_a_master(begun: Operator):
    (begun.home / "web.yaml").write_text("apiVersion: v1\nkind: Namespace\nmetadata: {name: web}\n")
    assert "no master yet" in begun.cctl("deploy", "-f", "web.yaml", "--yes", code=3).stderr


@pytest.mark.parametrize("command", ["update registry --yes", "plan update registry"])
def test_a_cluster_that_has_no_registry_has_no_access_to_update(begun: Operator, command: str):
    (begun.home / "password").write_text("correct horse\n")
    before = (begun.home / "cctl-state.yaml").read_bytes()
    said = begun.cctl(*command.split(), "--registry-password-file", "password", code=3).stderr
    assert "runs from no private registry" in said
    assert "correct horse" not in said
    assert (begun.home / "cctl-state.yaml").read_bytes() == before


def test_a_kubeconfig_needs_a_master(begun: Operator):
    assert "has no master yet" in begun.cctl("kubeconfig", "--out", "k", code=3).stderr
    assert not (begun.home / "k").exists()
