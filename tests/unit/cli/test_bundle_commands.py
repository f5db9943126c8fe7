"""What an operator does with bundles at the command line, without a host and without the internet."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from klusterkit.engine.plan import Plan, Task
from klusterkit.session.running.plans import save_plan
from klusterkit.tasks.artifacts import Upload
from tests.support.bundles import KEY, STRANGER, make
from tests.support.mirrors import VERSIONS, make_mirror
from tests.support.onefile import tools
from tests.support.sites import serving_folder


class Operator:
    """Somebody with a folder and a mirror."""

    def __init__(self, folder: Path, mirror: Path) -> None:
        self.folder, self.mirror = folder, mirror

    def __call__(self, *arguments: str, code: int = 0, **environment: str) -> subprocess.CompletedProcess[str]:
        foreign = ("KLUSTERKIT", "XDG", "CCTL")
        known = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        own = {"HOME": str(self.folder), "KLUSTERKIT_MIRROR": str(self.mirror), "SOURCE_DATE_EPOCH": "1793534400"}
        done = subprocess.run(
            [sys.executable, "-c", "from klusterkit.cli.cctl import main; main()", *arguments],
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            env={**known, **own, **environment},
        )
        assert done.returncode == code, f"{arguments}: {done.stdout}{done.stderr}"
        return done

    def build(self, name: str, *versions: str) -> Path:
        wanted = [word for version in versions for word in ("--kubernetes-version", version)]
        self("bundle", "build", *wanted, "--out", name, "--key", "site.key")
        return self.folder / name


@pytest.fixture(scope="module")
def operator(tmp_path_factory: pytest.TempPathFactory) -> Operator:
    """Has a key and two bundles."""
    made = Operator(tmp_path_factory.mktemp("operator"), make_mirror(tmp_path_factory.mktemp("mirror")))
    made("bundle", "key", "--out", "site.key", "--without-passphrase")
    made.build("old.bundle", "1.36.3")
    made.build("new.bundle", *VERSIONS)
    return made


def test_a_new_key_is_for_its_owner_alone_and_its_public_half_is_printed(operator: Operator) -> None:
    printed = operator("bundle", "key", "--out", "another.key", "--without-passphrase").stdout.strip()

    assert stat.S_IMODE((operator.folder / "another.key").stat().st_mode) == 0o600
    assert (operator.folder / "another.pub").read_text().splitlines()[1] == printed


def test_a_key_is_never_overwritten(operator: Operator) -> None:
    before = (operator.folder / "site.key").read_bytes()

    assert "there is" in operator("bundle", "key", "--out", "site.key", "--without-passphrase", code=3).stderr
    assert (operator.folder / "site.key").read_bytes() == before


def test_a_key_needs_a_passphrase_unless_it_is_to_have_none(operator: Operator) -> None:
    assert "KLUSTERKIT_BUNDLE_PASSPHRASE_FILE" in operator("bundle", "key", "--out", "asked.key", code=3).stderr


def test_a_bundle_is_verified_by_the_public_key_as_a_file_and_as_a_line(operator: Operator) -> None:
    line = (operator.folder / "site.pub").read_text().splitlines()[1]
    for key in ("site.pub", line):
        assert "v1.36.3" in operator("bundle", "verify", "old.bundle", "--key", key).stdout


def test_a_bundle_by_another_key_is_refused_with_the_status_of_a_failed_check(operator: Operator) -> None:
    operator("bundle", "key", "--out", "stranger.key", "--without-passphrase")

    assert "isn't trusted" in operator("bundle", "verify", "old.bundle", "--key", "stranger.pub", code=8).stderr


def test_building_again_gives_the_same_bytes(operator: Operator) -> None:
    assert operator.build("again.bundle", "1.36.3").read_bytes() == (operator.folder / "old.bundle").read_bytes()


def test_a_bundle_for_two_versions_holds_what_they_share_once(operator: Operator) -> None:
    listed = json.loads(operator("bundle", "list", "new.bundle", "-o", "json").stdout)
    paths = [entry["path"] for entry in listed["entries"]]

    assert listed["kubernetes"] == ["v1.36.3", "v1.37.2"]
    assert sum("/etcd-v3" in path for path in paths) == 1
    assert sum(path.endswith("/kubelet") for path in paths) == 2


def test_a_bundle_holds_units_and_configurations(operator: Operator) -> None:
    names = operator("bundle", "list", "old.bundle", "-o", "name").stdout.split()
    own = {name.removeprefix("klusterkit/v1.36.3/") for name in names if name.startswith("klusterkit/")}

    assert own >= {
        *("units/kubelet.service", "units/etcd.service", "units/containerd.service", "units/keepalived.service"),
        *("configuration/etcd.yaml", "configuration/kubelet.yaml", "configuration/containerd.toml"),
        *("configuration/keepalived.conf", "configuration/check-api", "configuration/hand-over"),
        *("configuration/containers.conf", "configuration/etcdctl.sh", "configuration/etcdctl.env"),
    }


def test_units_that_do_not_differ_between_versions_are_in_it_once(operator: Operator) -> None:
    listed = json.loads(operator("bundle", "list", "new.bundle", "-o", "json").stdout)
    units = [entry for entry in listed["entries"] if entry["kind"] == "unit"]
    digests = {
        name: {entry["sha256"] for entry in units if entry["name"] == name}
        for name in ("etcd.service", "kubelet.service")
    }

    assert len(units) == 8
    assert {name: len(found) for name, found in digests.items()} == {"etcd.service": 1, "kubelet.service": 1}


def test_the_tools_of_hosts_without_python_travel_in_it(operator: Operator) -> None:
    file = operator.folder / "tools"
    file.write_bytes(tools(b"a packed folder"))
    wanted = ("bundle", "build", "--kubernetes-version", "1.36.3")
    assert "--tools FILE puts them in" in operator(*wanted, "--out", "none.bundle").stderr
    assert "--tools" not in operator(*wanted, "--tools", str(file), "--out", "tools.bundle").stderr
    listed = json.loads(operator("bundle", "list", "tools.bundle", "-o", "json").stdout)
    entry = next(entry for entry in listed["entries"] if entry["name"] == "klusterkit")
    subprocess.run(["tar", "-xf", "tools.bundle", f"blobs/sha256/{entry['sha256']}"], cwd=operator.folder, check=True)

    assert (operator.folder / "blobs" / "sha256" / entry["sha256"]).read_bytes() == file.read_bytes()


def test_a_bundle_from_a_web_server_is_the_one_from_the_folder_that_it_serves(operator: Operator) -> None:
    with serving_folder(operator.mirror) as url:
        options = ("--kubernetes-version", "1.36.3", "--key", "site.key", "--mirror", url)
        cache = str(operator.folder / "cache-of-downloads")
        operator("bundle", "build", *options, "--out", "downloaded.bundle", KLUSTERKIT_CACHE=cache)

    assert (operator.folder / "downloaded.bundle").read_bytes() == (operator.folder / "old.bundle").read_bytes()


def test_the_difference_of_two_bundles_is_told_in_words_and_as_data(operator: Operator) -> None:
    text = operator("bundle", "diff", "old.bundle", "new.bundle").stdout
    data = json.loads(operator("bundle", "diff", "old.bundle", "new.bundle", "-o", "json").stdout)

    assert "kube-apiserver" in text
    assert {change["new"]["version"] for change in data if change["new"]["name"] == "kubelet"} == {"v1.37.2"}


def test_a_delta_is_combined_to_the_same_bytes(operator: Operator) -> None:
    operator("bundle", "delta", "old.bundle", "new.bundle", "--out", "d.delta")
    operator("bundle", "combine", "old.bundle", "d.delta", "--out", "combined.bundle")

    new = operator.folder / "new.bundle"
    assert (operator.folder / "combined.bundle").read_bytes() == new.read_bytes()
    assert (operator.folder / "d.delta").stat().st_size < new.stat().st_size


def test_a_bundle_can_be_written_to_standard_output_which_then_holds_nothing_else(operator: Operator) -> None:
    operator("bundle", "delta", "old.bundle", "new.bundle", "--out", "d.delta")
    command = "import sys; from klusterkit.cli.cctl import main; sys.argv[0] = 'cctl'; main()"
    words = ["bundle", "combine", "old.bundle", "d.delta", "--out", "/dev/stdout"]
    done = subprocess.run([sys.executable, "-c", command, *words], cwd=operator.folder, capture_output=True, check=True)

    assert done.stdout == (operator.folder / "new.bundle").read_bytes()
    assert b"/dev/stdout: the bundle" in done.stderr


def test_a_bundle_goes_into_a_pipe_and_by_a_link_to_its_target(operator: Operator) -> None:
    operator("bundle", "delta", "old.bundle", "new.bundle", "--out", "d.delta")
    pipe, link = operator.folder / "pipe", operator.folder / "link"
    os.mkfifo(pipe)
    link.symlink_to("target.bundle")
    with ThreadPoolExecutor(1) as reader:
        came = reader.submit(pipe.read_bytes)
        for out in ("pipe", "link"):
            operator("bundle", "combine", "old.bundle", "d.delta", "--out", out)

    assert (
        came.result()
        == (operator.folder / "target.bundle").read_bytes()
        == (operator.folder / "new.bundle").read_bytes()
    )
    assert pipe.is_fifo()
    assert link.is_symlink()


def test_a_folder_is_no_place_for_a_bundle(operator: Operator) -> None:
    said = operator("bundle", "delta", "old.bundle", "new.bundle", "--out", ".", code=3).stderr
    assert "can't write .: it is a folder" in said


def test_the_bill_of_materials_names_every_file_with_its_package(operator: Operator) -> None:
    bill = json.loads(operator("bundle", "sbom", "old.bundle").stdout)
    listed = json.loads(operator("bundle", "list", "old.bundle", "-o", "json").stdout)
    packages = {item["name"]: item.get("purl", "") for item in bill["components"]}

    digests = {item["hashes"][0]["content"] for item in bill["components"]}
    assert digests == {entry["sha256"] for entry in listed["entries"]}
    assert packages["registry.k8s.io/pause:3.10.2"].startswith("pkg:oci/pause@sha256:")
    assert packages["kubelet"] == "pkg:github/kubernetes/kubernetes@v1.36.3#cmd/kubelet"


def test_a_bundle_is_signed_anew_in_place(operator: Operator) -> None:
    (operator.folder / "mine.bundle").write_bytes((operator.folder / "old.bundle").read_bytes())
    operator("bundle", "key", "--out", "mine.key", "--without-passphrase")
    operator("bundle", "sign", "mine.bundle", "--key", "mine.key")

    operator("bundle", "verify", "mine.bundle", "--key", "mine.pub")
    operator("bundle", "verify", "mine.bundle", "--key", "site.pub", code=8)


def test_a_damaged_bundle_is_not_signed(operator: Operator) -> None:
    content = (operator.folder / "old.bundle").read_bytes()
    (operator.folder / "spoilt.bundle").write_bytes(content.replace(b"kubelet v1.36.3", b"kubelet v6.66.6", 1))

    assert "refused" in operator("bundle", "sign", "spoilt.bundle", "--key", "site.key", code=8).stderr


def test_a_mirror_that_lacks_a_file_is_said_before_anything_is_written(operator: Operator) -> None:
    said = operator("bundle", "build", "--kubernetes-version", "1.36.9", "--out", "no.bundle", code=3).stderr

    assert "v1.36.9" in said
    assert not (operator.folder / "no.bundle").exists()


def test_what_was_fetched_before_an_interruption_is_not_fetched_again(operator: Operator, tmp_path: Path) -> None:
    """The mirror has gone after the first build, but for its checksums: the second finds everything kept."""
    operator.build("first.bundle", "1.36.3")
    bare = tmp_path / "bare"
    for sums in [path for path in operator.mirror.rglob("*") if "sha256" in path.name.lower() and path.is_file()]:
        (bare / sums.relative_to(operator.mirror)).parent.mkdir(parents=True, exist_ok=True)
        (bare / sums.relative_to(operator.mirror)).write_bytes(sums.read_bytes())
    options = ("--kubernetes-version", "1.36.3", "--key", "site.key", "--mirror", str(bare))
    operator("bundle", "build", *options, "--out", "second.bundle")

    first, second = (operator.folder / f"{name}.bundle" for name in ("first", "second"))
    assert first.read_bytes() == second.read_bytes()


def test_a_key_that_the_state_pins_verifies_bundles_until_it_is_forgotten(operator: Operator) -> None:
    operator("bundle", "trust", "site.pub")
    operator("bundle", "verify", "old.bundle")

    operator("bundle", "trust", "site.pub", "--forget")

    assert "pins no key" in operator("bundle", "verify", "old.bundle", code=8).stderr


def test_a_bad_key_is_refused_before_a_cluster_is_made(operator: Operator) -> None:
    state = ("--state", "other.yaml")
    assert "no public key" in operator(*state, "create", "cluster", "--bundle-key", "RWnonsense", code=3).stderr
    assert not (operator.folder / "other.yaml").exists()

    operator(*state, "create", "cluster", "--bundle-key", "site.pub")
    operator(*state, "bundle", "verify", "old.bundle")


def minisig(operator: Operator, bundle: str, to: str) -> str:
    """The signature that is in a bundle, as a file."""
    done = subprocess.run(
        ["tar", "-xOf", bundle, "manifest.json.minisig"], cwd=operator.folder, capture_output=True, check=True
    )
    (operator.folder / to).write_bytes(done.stdout)
    return to


@pytest.fixture(name="signed")
def _signed(operator: Operator, tmp_path: Path) -> Operator:
    """In a folder with a signed bundle, a signature of it made elsewhere, and one of another bundle."""
    made = Operator(tmp_path, operator.mirror)
    make(tmp_path / "a.bundle")
    make(tmp_path / "other.bundle", {"a/b": b"c"})
    minisig(made, "other.bundle", "other.minisig")
    minisig(made, "a.bundle", "a.minisig")
    (tmp_path / "site.pub").write_text(KEY.public.file)
    (tmp_path / "stranger.pub").write_text(STRANGER.public.file)
    return made


@pytest.mark.parametrize("how", ["named", "pinned"])
def test_a_signature_made_elsewhere_is_put_in_if_the_key_made_it_for_this_bundle(signed: Operator, how: str) -> None:
    make(signed.folder / "bare.bundle", key=None)
    if how == "pinned":
        signed("bundle", "trust", "site.pub")
    key = ("--key", "site.pub") if how == "named" else ()

    assert signed("bundle", "sign", "bare.bundle", "--signature", "a.minisig", *key).stderr == ""
    assert (signed.folder / "bare.bundle").read_bytes() == (signed.folder / "a.bundle").read_bytes()


@pytest.mark.parametrize(
    ("content", "key", "why"),
    [
        (None, "site.pub", "doesn't belong to this content"),
        ("a.minisig", "stranger.pub", "isn't trusted"),
        (b"anything\n", None, "it isn't four lines of text"),
        (b"\n" * 5000, None, "more than 4096 bytes"),
        (b"untrusted comment: x\nRWQ=\ntrusted comment: y\nRWQ=\n", None, "aren't those of a minisign signature"),
    ],
    ids=["of another bundle", "by another key", "no signature", "too long", "half of one"],
)
def test_another_signature_is_refused_and_the_good_one_stays(
    signed: Operator, content: bytes | str | None, key: str | None, why: str
) -> None:
    before = (signed.folder / "a.bundle").read_bytes()
    file = content if isinstance(content, str) else "other.minisig"
    if isinstance(content, bytes):
        (signed.folder / file).write_bytes(content)

    said = signed("bundle", "sign", "a.bundle", "--signature", file, *(("--key", key) if key else ()), code=8).stderr

    assert f"{file} isn't put into a.bundle" in said
    assert why in " ".join(said.split())
    assert (signed.folder / "a.bundle").read_bytes() == before


def test_a_signature_by_a_key_that_the_state_does_not_pin_is_refused(signed: Operator) -> None:
    signed("bundle", "trust", "stranger.pub")

    assert "isn't trusted" in signed("bundle", "sign", "a.bundle", "--signature", "a.minisig", code=8).stderr


def test_with_no_key_at_hand_it_is_said_that_a_signature_was_only_parsed(signed: Operator) -> None:
    said = " ".join(signed("bundle", "sign", "a.bundle", "--signature", "a.minisig").stderr.split())

    assert "whether it is one of a.bundle was not checked" in said
    assert "--key" in said


def test_a_bundle_is_signed_with_something(signed: Operator) -> None:
    assert "--key or --signature" in signed("bundle", "sign", "a.bundle", code=3).stderr


@pytest.fixture(name="checked")
def _checked(operator: Operator, tmp_path: Path) -> Operator:
    """In a folder with a signed bundle, one that nobody signed, and a plan that needs a kubelet; no state file."""
    content = b"a kubelet" * 1000
    step = Upload(name="kubelet", sha256=hashlib.sha256(content).hexdigest(), size=len(content))
    plan = Plan(operation="create machine", lineage="l", serial=1, tasks=(Task(id="m1/a", host="m1", step=step),))
    save_plan(plan, tmp_path / "plan.yaml")
    make(tmp_path / "signed.bundle")
    make(tmp_path / "unsigned.bundle", key=None)
    (tmp_path / "site.pub").write_text(KEY.public.file)
    return Operator(tmp_path, operator.mirror)


def test_a_bundle_is_checked_against_a_plan_by_the_keys_that_the_state_pins(checked: Operator) -> None:
    checked("bundle", "trust", "site.pub")

    done = checked("bundle", "check", "signed.bundle", "plan.yaml")
    assert "has all 1 files" in done.stdout
    assert done.stderr == ""
    assert "isn't signed" in checked("bundle", "check", "unsigned.bundle", "plan.yaml", code=8).stderr


def test_without_a_state_file_the_key_may_be_named(checked: Operator) -> None:
    key = ("--key", "site.pub")

    assert checked("bundle", "check", "signed.bundle", "plan.yaml", *key).stderr == ""
    assert "isn't signed" in checked("bundle", "check", "unsigned.bundle", "plan.yaml", *key, code=8).stderr


def test_with_no_key_at_hand_it_is_said_that_the_signature_was_not_checked(checked: Operator) -> None:
    said = checked("bundle", "check", "unsigned.bundle", "plan.yaml").stderr
    assert "signature of unsigned.bundle was not checked" in said
    assert "--key" in said

    assert "no state file" in checked("--state", "typo", "bundle", "check", "signed.bundle", "plan.yaml", code=3).stderr
