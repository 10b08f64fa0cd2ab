"""Signed approvals: who may sign, what is signed, and that OpenSSH's own program agrees."""

from __future__ import annotations

import base64
import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives import serialization as written
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa

from ninesteps.cli import here, main
from ninesteps.errors import RegistryError
from ninesteps.registry import signatures
from ninesteps.registry.registry import Approvals
from ninesteps.registry.signatures import NAMESPACE, Signers
from ninesteps.settings import loading as pipeline_settings
from pets import changed
from pets import settings as pet_settings
from versions import Registered

JO = ("Jo Doe <jo@example.com>", "auc is what we need")
KINDS: dict[str, Callable[[], object]] = {
    "ssh-ed25519": ed25519.Ed25519PrivateKey.generate,
    "ecdsa-sha2-nistp256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "ecdsa-sha2-nistp384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "ecdsa-sha2-nistp521": lambda: ec.generate_private_key(ec.SECP521R1()),
    "ssh-rsa": lambda: rsa.generate_private_key(65537, 2048),
}
SSH_KEYGEN = shutil.which("ssh-keygen") or ""
needs_ssh = pytest.mark.skipif(not SSH_KEYGEN, reason="there is no ssh-keygen on this machine")


def make_key(folder: Path, name: str, kind: str = "ssh-ed25519", protected_by: str = "") -> Path:
    """A key as ssh-keygen writes it, with its public one beside it."""
    key: object = KINDS[kind]()
    protection = (
        written.BestAvailableEncryption(protected_by.encode()) if protected_by
        else written.NoEncryption()
    )  # fmt: skip
    file = folder / name
    private = written.Encoding.PEM, written.PrivateFormat.OpenSSH, protection
    file.write_bytes(key.private_bytes(*private))  # type: ignore[attr-defined]
    file.chmod(0o600)
    public = key.public_key().public_bytes(  # type: ignore[attr-defined]
        written.Encoding.OpenSSH, written.PublicFormat.OpenSSH
    )
    file.with_suffix(".pub").write_bytes(public + b"\n")
    return file


def listed(folder: Path, *lines: str) -> Signers:
    file = folder / "allowed_signers"
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return Signers(file)


def public(key: Path) -> str:
    return key.with_suffix(".pub").read_text(encoding="utf-8").strip()


def never(question: str) -> str:
    raise AssertionError(question)


@pytest.fixture
def machine(tmp_path: Path) -> Registered:
    machine = Registered(tmp_path / ".local")
    machine.register()
    return machine


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return make_key(tmp_path, "jo")


@pytest.fixture
def approvals(machine: Registered, key: Path, tmp_path: Path) -> Approvals:
    """The rules of a repository that asks for signatures, and lists Jo's key."""
    signers = listed(tmp_path, "# who may approve", "", f"jo@example.com {public(key)} Jo's laptop")
    return replace(machine.approvals(), require_signature=True, signers=signers)


def approve(approvals: Approvals, key: Path, number: int = 1, who: str = JO[0]) -> None:
    approvals.approve(number, who, JO[1], "", partial(signatures.sign, key=key, ask=never))


def refusal(decide: Callable[[], object]) -> str:
    with pytest.raises(RegistryError) as refused:
        decide()
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_a_signed_approval_counts_and_is_kept_with_its_entry(
    machine: Registered, approvals: Approvals, key: Path
) -> None:
    said = refusal(lambda: approvals.approve(1, *JO))
    assert said == (
        "[approval] require_signature of pipeline.toml asks for a signature: pipeline approve 1 "
        "--sign KEY"
    )
    approve(approvals, key)
    assert approvals.may_deploy(1).number == 1
    (decision,) = machine.version(1).decisions
    entry = machine.state.events()[-1]
    assert entry.facts["signature"] == decision.signature
    assert decision.signature.startswith("-----BEGIN SSH SIGNATURE-----\n")
    assert "require_signature = true" in decision.rules
    assert [*signatures.faults(machine.state.events(), approvals.signers)] == []


def test_what_is_signed_names_all_that_was_decided(
    machine: Registered, approvals: Approvals
) -> None:
    signed: list[str] = []

    def sign(text: str) -> str:
        signed.append(text)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        approvals.approve(1, *JO, "", sign)
    import json

    facts = json.loads(signed[0])
    model = machine.version(1)
    assert (facts["group"], facts["version"], facts["after"]) == ("pets", 1, "Approved")
    assert (facts["who"], facts["stage"]) == (JO[0], "")
    assert facts["model"] == facts["evidence"][model.model] and len(facts["evidence"]) == 3
    assert facts["at"].endswith("Z") and len(facts["why_sha256"]) == 64
    assert machine.version(1).decisions == ()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("passphrase", ["", "open sesame"])
def test_keys_of_each_kind_sign(
    machine: Registered, tmp_path: Path, kind: str, passphrase: str
) -> None:
    key = make_key(tmp_path, "key", kind, passphrase)
    signature = signatures.sign("a text", key, lambda question: passphrase)
    assert signatures.check("a text", signature).startswith("SHA256:")
    if passphrase:
        said = refusal(lambda: signatures.sign("a text", key, lambda question: "wrong"))
        assert said == f"{key}: the passphrase is wrong, or the key is damaged"


@needs_ssh
@pytest.mark.parametrize("kind", KINDS)
def test_openssh_accepts_what_is_signed_here(tmp_path: Path, kind: str) -> None:
    key = make_key(tmp_path, "key", kind)
    file = listed(tmp_path, f"jo@example.com {public(key)}").file
    (tmp_path / "signature").write_text(signatures.sign("a text", key, never), encoding="utf-8")
    for text, status in (("a text", 0), ("another", 255)):
        done = subprocess.run(
            [SSH_KEYGEN, "-Y", "verify", "-f", file, "-I", "jo@example.com", "-n", NAMESPACE,
             "-s", tmp_path / "signature"], input=text.encode(), capture_output=True, check=False,
        )  # fmt: skip
        assert done.returncode == status, done.stderr
    shown = subprocess.run(
        [SSH_KEYGEN, "-l", "-f", key], check=True, capture_output=True, text=True
    )
    assert shown.stdout.split()[1] == signatures.check(
        "a text", (tmp_path / "signature").read_text(encoding="utf-8")
    )


@needs_ssh
@pytest.mark.parametrize(
    ("arguments", "hash_"),
    [(("-t", "ed25519"), "sha512"), (("-t", "ecdsa", "-b", "521"), "sha256"),
     (("-t", "rsa", "-b", "2048"), "sha256")],
)  # fmt: skip
def test_what_openssh_signs_is_accepted_here(
    tmp_path: Path, arguments: tuple[str, ...], hash_: str
) -> None:
    key = tmp_path / "key"
    subprocess.run([SSH_KEYGEN, "-q", *arguments, "-N", "", "-f", key], check=True)
    done = subprocess.run(
        [SSH_KEYGEN, "-Y", "sign", "-f", key, "-n", NAMESPACE, "-O", f"hashalg={hash_}"],
        input=b"a text", capture_output=True, check=True,
    )  # fmt: skip
    assert signatures.check("a text", done.stdout.decode()).startswith("SHA256:")


@needs_ssh
@pytest.mark.skipif(not shutil.which("ssh-agent"), reason="there is no ssh-agent on this machine")
def test_an_agent_signs_for_a_public_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = make_key(tmp_path, "key")
    socket = tmp_path / "agent"
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", socket], stdout=subprocess.DEVNULL)  # noqa: S607
    try:
        monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
        while not socket.exists():
            assert agent.poll() is None
        subprocess.run(["ssh-add", "-q", key], check=True)  # noqa: S607
        key.unlink()  # a private key beside it would do, too
        signature = signatures.sign("a text", key.with_suffix(".pub"), never)
        assert signatures.check("a text", signature).startswith("SHA256:")
    finally:
        agent.terminate()
        agent.wait()
    monkeypatch.delenv("SSH_AUTH_SOCK")
    said = refusal(lambda: signatures.sign("a text", key.with_suffix(".pub"), never))
    assert said.startswith(f"ssh-keygen could not sign with {key}.pub: ")


def test_a_key_that_is_not_listed_for_the_person_approves_nothing(
    machine: Registered, approvals: Approvals, tmp_path: Path, key: Path
) -> None:
    other = make_key(tmp_path, "other")
    fingerprint = signatures.check("x", signatures.sign("x", other, never))
    assert refusal(lambda: approve(approvals, other)) == (
        "pets version 1 was not approved: expected a key that allowed_signers lists for "
        f"{JO[0]} at that moment, got {fingerprint}"
    )
    said = refusal(lambda: approve(approvals, key, who="Al <al@example.com>"))
    assert "lists for Al <al@example.com> at that moment, got " in said
    assert machine.version(1).decisions == ()


@pytest.mark.parametrize(
    ("line", "counts"),
    [
        ("jo@example.com KEY", True),
        ("al@example.com,jo@example.com KEY", True),
        ("*@example.com KEY", True),
        ('"*@example.com" KEY a comment', True),
        ("*@example.com,!jo@example.com KEY", False),
        ("*@example.org KEY", False),
        (f'jo@example.com namespaces="git,{NAMESPACE}" KEY', True),
        ('jo@example.com namespaces="ninesteps-*" KEY', True),
        ('jo@example.com namespaces="git" KEY', False),
        ('jo@example.com valid-after="20200101Z",valid-before="20990101Z" KEY', True),
        ('jo@example.com valid-before="202001010000" KEY', False),
        ('jo@example.com valid-after="20990101000000Z" KEY', False),
    ],
)
def test_lines_of_the_allowed_signers_are_read_as_openssh_does(
    tmp_path: Path, key: Path, line: str, counts: bool
) -> None:
    signers = listed(tmp_path, line.replace("KEY", public(key)))
    signature = signatures.sign("a text", key, never)
    check = partial(signers.check, "a text", signature, JO[0], "2026-01-31T00:00:00Z")
    if counts:
        check()
    else:
        assert "expected a key that" in refusal(check)
    if SSH_KEYGEN:
        (tmp_path / "signature").write_text(signature, encoding="utf-8")
        done = subprocess.run(
            [SSH_KEYGEN, "-Y", "verify", "-f", signers.file, "-I", "jo@example.com",
             "-n", NAMESPACE, "-O", "verify-time=20260131000000Z", "-s", tmp_path / "signature"],
            input=b"a text", capture_output=True, check=False,
        )  # fmt: skip
        assert (done.returncode == 0) == counts, done.stderr


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("jo@example.com", "line 1: expected PRINCIPALS [OPTIONS] KEYTYPE KEY"),
        ("jo@example.com ssh-rsa AAAAB3", "line 1: expected a key of type ssh-rsa"),
        ("jo@example.com cert-authority KEY", "line 1: expected namespaces, valid-after or "
         "valid-before, got cert-authority, which is not supported here"),
        ('jo@example.com valid-after="soon" KEY', "line 1: expected YYYYMMDD[HHMM[SS]][Z], got "
         "'soon'"),
    ],
)  # fmt: skip
def test_a_line_that_cannot_be_used_is_named(
    tmp_path: Path, key: Path, line: str, said: str
) -> None:
    signers = listed(tmp_path, line.replace("KEY", public(key)))
    assert refusal(lambda: signers.lines) == f"{signers.file}, {said}"


def test_signers_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    said = refusal(lambda: Signers(tmp_path / "none").lines)
    assert said == (
        f"[approval] signers: {tmp_path / 'none'} cannot be read: No such file or directory"
    )


# What was altered


NOT_OF_IT = (
    "the signature does not match this decision: it is of another one, or the decision was changed"
)


def sql(machine: Registered, statement: str, *values: str) -> None:
    with closing(sqlite3.connect(machine.local / "state.db")) as connection, connection:
        connection.execute("DROP TRIGGER IF EXISTS changes_stay")
        connection.execute(statement, values)


@pytest.mark.parametrize(
    "change", ["why = 'so'", "at = '2026-01-31T00:00:00Z'", "evidence = '{}'", "rules = 'none'"]
)
def test_a_decision_that_was_altered_is_not_deployed(
    machine: Registered, approvals: Approvals, key: Path, change: str
) -> None:
    approve(approvals, key)
    sql(machine, f"UPDATE status_changes SET {change}")
    said = f"pets version 1 was approved by {JO[0]}, but {NOT_OF_IT}: pipeline approve 1"
    assert refusal(lambda: approvals.may_deploy(1)) == said
    back = refusal(lambda: approvals.may_deploy(1, has_served=True))
    assert back == f"pets version 1 cannot be deployed: {NOT_OF_IT}"


def test_a_signature_of_another_version_does_not_count(
    machine: Registered, approvals: Approvals, key: Path
) -> None:
    machine.register()
    approve(approvals, key)
    (first,) = machine.version(1).decisions
    approve(approvals, key, 2)
    sql(machine, "UPDATE status_changes SET signature = ? WHERE version = 2", first.signature)
    assert NOT_OF_IT in refusal(lambda: approvals.may_deploy(2))
    assert approvals.may_deploy(1).number == 1


def test_a_signature_that_was_taken_away_is_missed(
    machine: Registered, approvals: Approvals, key: Path
) -> None:
    approve(approvals, key)
    sql(machine, "UPDATE status_changes SET signature = ''")
    said = refusal(lambda: approvals.may_deploy(1))
    assert said.startswith(f"pets version 1 was approved by {JO[0]} without a signature, but ")
    assert said.endswith(": pipeline approve 1")
    approve(approvals, key)  # it may be given again
    assert approvals.may_deploy(1).number == 1


@pytest.mark.parametrize("position", range(0, 190, 7))
def test_a_signature_with_a_byte_changed_does_not_count(tmp_path: Path, position: int) -> None:
    key = make_key(tmp_path, "key")
    signers = listed(tmp_path, f"jo@example.com {public(key)}")
    armored = signatures.sign("a text", key, never)
    blob = bytearray(base64.b64decode("".join(armored.splitlines()[1:-1])))
    blob[position % len(blob)] ^= 1
    changed_ = signatures._armored(bytes(blob))
    refusal(lambda: signers.check("a text", changed_, JO[0], "2026-01-31T00:00:00Z"))


@pytest.mark.parametrize("text", ["", "signed", "-----BEGIN SSH SIGNATURE-----\nU1NI\n"
                                  "-----END SSH SIGNATURE-----"])  # fmt: skip
def test_what_is_no_signature_is_refused(text: str) -> None:
    said = refusal(lambda: signatures.check("a text", text))
    assert said == "expected a signature in the format of `ssh-keygen -Y sign`"


@needs_ssh
def test_a_signature_for_something_else_does_not_count(tmp_path: Path) -> None:
    key = make_key(tmp_path, "key")
    done = subprocess.run([SSH_KEYGEN, "-Y", "sign", "-f", key, "-n", "git"], input=b"a text",
                          capture_output=True, check=True)  # fmt: skip
    said = refusal(lambda: signatures.check("a text", done.stdout.decode()))
    assert said == "expected a signature for 'ninesteps-approval', got one for 'git'"


def test_a_key_that_cannot_sign_is_named(tmp_path: Path) -> None:
    none = tmp_path / "none"
    said = refusal(lambda: signatures.sign("x", none, never))
    assert said == f"{none} cannot be read: No such file or directory"
    weak = (dsa.generate_private_key(1024), rsa.generate_private_key(65537, 1024))  # noqa: S505
    for key, expected in zip(weak, ("type ssh-ed25519, ecdsa", "at least 2048 bits"), strict=True):
        file = tmp_path / "weak"
        form = written.Encoding.PEM, written.PrivateFormat.PKCS8, written.NoEncryption()
        file.write_bytes(key.private_bytes(*form))
        assert expected in refusal(lambda: signatures.sign("x", tmp_path / "weak", never))
    damaged = tmp_path / "damaged"
    damaged.write_text(
        "-----BEGIN OPENSSH PRIVATE KEY-----\nx\n-----END OPENSSH PRIVATE KEY-----\n"
    )
    said = refusal(lambda: signatures.sign("x", damaged, never))
    assert said.startswith(f"{damaged} is not a usable private key: ")


# The commands


def test_the_commands_sign_show_and_check(
    machine: Registered, key: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed(tmp_path, f"jo@example.com {public(key)}")
    settings = changed(pet_settings(), approval={"signers": "allowed_signers",
                                                 "require_signature": True})  # fmt: skip
    monkeypatch.setattr(here, "local", lambda: machine.local)
    monkeypatch.setattr(here, "root", lambda: tmp_path)
    monkeypatch.setattr(pipeline_settings, "load", lambda root: settings)

    def pipeline(*words: str, status: int = 0) -> str:
        done = CliRunner(env={"COLUMNS": "80"}).invoke(main.main, words)
        assert done.exit_code == status, done.output
        return done.output

    person = ("--who", JO[0], "--why", JO[1])
    assert "asks for a signature: pipeline approve 1 --sign KEY" in pipeline(
        "approve", "1", *person, status=2
    )
    assert "--sign is for approvals on this machine" in pipeline(
        "approve", "1", *person, "--sign", str(key), "--env", "prod", status=2
    )
    locked = make_key(tmp_path, "locked", protected_by="open sesame")
    assert f"expected a terminal to ask for the passphrase of {locked}" in pipeline(
        "approve", "1", *person, "--sign", str(locked), status=2
    )
    pipeline("approve", "1", *person, "--sign", str(key))
    assert "signed" in pipeline("registry", "1").split()
    assert "1 signed by people who may sign\n" in pipeline("audit", "--verify")
    listed(tmp_path, f"al@example.com {public(key)}")
    assert "pipeline: entry 3: expected a key that allowed_signers lists for " in (
        pipeline("audit", "--verify", status=1)
    )
