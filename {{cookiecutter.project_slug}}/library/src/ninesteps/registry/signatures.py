"""Signatures of approvals, in the format of `ssh-keygen -Y sign`, and who may sign.

https://github.com/openssh/openssh-portable/blob/master/PROTOCOL.sshsig has the format, `man
ssh-keygen` that of the file of allowed signers. Keys are read, and signatures made and checked, by
the library `cryptography`.
"""

from __future__ import annotations

import base64
import binascii
import fnmatch
import hashlib
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from ninesteps.errors import RegistryError
from ninesteps.local.chain import Entry, Fault, canonical
from ninesteps.local.chain_tables import DECISIONS
from ninesteps.registry.person import is_same_person

NAMESPACE = "ninesteps-approval"
"""The namespace of approvals' signatures; one for another namespace does not count."""

SIGNED = "require_signature"
"""The rule that approvals must be signed, as recorded with each decision."""

_MAGIC = b"SSHSIG"
_BEGIN, _END = "-----BEGIN SSH SIGNATURE-----", "-----END SSH SIGNATURE-----"
_HASHES = ("sha512", "sha256")
_CURVES = {"nistp256": "SHA256", "nistp384": "SHA384", "nistp521": "SHA512"}
_LEAST_RSA_BITS = 2048
_KEPT_BESIDE = ("decision", "signature")
"""Fields of a decision's entry that are not signed, because they are added after the signature."""

Ask = Callable[[str], str]
"""Asks for a passphrase."""


class SignatureError(RegistryError):
    """A signature that does not count, or cannot be made."""


@dataclass(frozen=True)
class _Parts:
    """The parts of a signature."""

    key: bytes  # as OpenSSH writes public keys
    namespace: str
    hash: str
    algorithm: str
    signature: bytes

    def signed(self, text: str) -> bytes:
        """The bytes that were signed for a text."""
        digest = hashlib.new(self.hash, text.encode()).digest()
        return _MAGIC + b"".join(
            _string(part) for part in (self.namespace.encode(), b"", self.hash.encode(), digest)
        )

    @property
    def fingerprint(self) -> str:
        """The key's fingerprint, as `ssh-keygen -l` shows it."""
        return fingerprint(self.key)


def signed_text(facts: Mapping[str, Any]) -> str:
    """The signed text of a decision: the fields of its entry in the chain, as canonical JSON."""
    return canonical({key: value for key, value in facts.items() if key not in _KEPT_BESIDE})


def sign(message: str, key: Path, ask: Ask) -> str:
    """Sign a text with the key in a file; for a public key's file, the SSH agent signs.

    Args:
        ask: returns the passphrase of an encrypted key.

    Raises:
        SignatureError: if the key cannot be used.
    """
    try:
        content = key.expanduser().read_bytes()
    except OSError as error:
        raise SignatureError(f"{key} cannot be read: {error.strerror}") from None
    if b"PRIVATE KEY" not in content[:100]:
        return _signed_by_agent(message, key.expanduser())
    private = _private_key(content, key, ask)
    public, algorithm = _public_blob(private), _algorithm(private)
    parts = _Parts(public, NAMESPACE, _HASHES[0], algorithm, b"")
    signature = _raw_signature(private, parts.signed(message))
    fields = (public, NAMESPACE.encode(), b"", parts.hash.encode(),
              _string(algorithm.encode()) + _string(signature))  # fmt: skip
    return _armored(_MAGIC + (1).to_bytes(4, "big") + b"".join(map(_string, fields)))


def check(message: str, signature: str) -> str:
    """Check that a signature is of a text, by any key; return the key's fingerprint.

    Raises:
        SignatureError: if it is not, or is of a kind that is not supported here.
    """
    return _checked(message, signature).fingerprint


def _checked(message: str, signature: str) -> _Parts:
    from cryptography.exceptions import InvalidSignature

    parts = _taken_apart(signature)
    if parts.namespace != NAMESPACE:
        raise SignatureError(
            f"expected a signature for {NAMESPACE!r}, got one for {parts.namespace!r}"
        )
    try:
        _verify(parts, parts.signed(message))
    except InvalidSignature:
        raise SignatureError(
            "the signature does not match this decision: it is of another one, or the decision "
            "was changed"
        ) from None
    return parts


@dataclass(frozen=True)
class Signer:
    """A line of the allowed signers file."""

    principals: tuple[str, ...]
    key: bytes
    namespaces: tuple[str, ...] = ()
    after: datetime | None = None
    before: datetime | None = None

    def may_sign(self, who: str, at: datetime) -> bool:
        """Whether the key is listed for this person, for approvals, at that moment."""
        if self.namespaces and not any(fnmatch.fnmatchcase(NAMESPACE, n) for n in self.namespaces):
            return False
        if (self.after and at < self.after) or (self.before and at >= self.before):
            return False
        refused = [p[1:] for p in self.principals if p.startswith("!")]
        allowed = [p for p in self.principals if not p.startswith("!")]
        return not any(_names(p, who) for p in refused) and any(_names(p, who) for p in allowed)


@dataclass(frozen=True)
class Signers:
    """The people who may sign approvals, with their keys: an allowed signers file of
    `ssh-keygen`."""

    file: Path

    @cached_property
    def lines(self) -> list[Signer]:
        """Every line.

        Raises:
            SignatureError: if the file cannot be read or used.
        """
        try:
            content = self.file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            raise SignatureError(
                f"[approval] signers: {self.file} cannot be read: {reason}"
            ) from None
        lines = ((n, line.strip()) for n, line in enumerate(content.splitlines(), 1))
        return [self._signer(n, line) for n, line in lines if line and not line.startswith("#")]

    def check(self, message: str, signature: str, who: str, at: str) -> str:
        """Check that a person signed a text and may sign; return the key's fingerprint.

        Raises:
            SignatureError: if not.
        """
        parts = _checked(message, signature)
        moment = datetime.strptime(at, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
        if not any(line.key == parts.key and line.may_sign(who, moment) for line in self.lines):
            raise SignatureError(
                f"expected a key that {self.file.name} lists for {who} at that moment, got "
                f"{parts.fingerprint}"
            )
        return parts.fingerprint

    def _signer(self, number: int, line: str) -> Signer:
        place = f"{self.file}, line {number}"
        found = _LINE.fullmatch(line)
        if not found:
            raise SignatureError(f"{place}: expected PRINCIPALS [OPTIONS] KEYTYPE KEY")
        principals, options, kind, encoded = found.groups()
        try:
            key = base64.b64decode(encoded, validate=True)
            if _fields(key, 1)[0] != kind.encode():
                raise ValueError
        except (ValueError, binascii.Error):
            raise SignatureError(f"{place}: expected a key of type {kind}") from None
        values: dict[str, Any] = {}
        for name, value in _OPTION.findall(options or ""):
            if name.lower() == "namespaces":
                values["namespaces"] = tuple(value.split(","))
            elif name.lower() in ("valid-after", "valid-before"):
                values[name.lower().removeprefix("valid-")] = _moment(value, place)
            else:
                raise SignatureError(
                    f"{place}: expected namespaces, valid-after or valid-before, got {name}, which "
                    "is not supported here"
                )
        return Signer(tuple(principals.strip('"').split(",")), key, **values)


_LINE = re.compile(
    r'("[^"]+"|[^\s"]+)\s+(?:((?:[^\s"]|"[^"]*")+)\s+)?((?:ssh|ecdsa|sk)-[\w@.-]+)\s+'
    r"([A-Za-z0-9+/=]+)(?:\s.*)?"
)
_OPTION = re.compile(r'([\w-]+)(?:="([^"]*)")?')


def _moment(value: str, place: str) -> datetime:
    """A time in an allowed signers file: UTC with a final Z, otherwise local time."""
    digits = value.removesuffix("Z")
    form = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}.get(len(digits), "")
    try:
        moment = datetime.strptime(digits, form)
    except ValueError:
        raise SignatureError(f"{place}: expected YYYYMMDD[HHMM[SS]][Z], got {value!r}") from None
    return moment.replace(tzinfo=UTC) if value.endswith("Z") else moment.astimezone()


def _names(principal: str, who: str) -> bool:
    """Whether a principal, or a pattern of principals, matches a person."""
    if not set(principal) & {"*", "?"}:
        return is_same_person(principal, who)
    words = re.findall(r"[^\s<>,;()\"]+", who)
    return any(fnmatch.fnmatchcase(w.lower(), principal.lower()) for w in (who, *words))


def faults(chain: Iterable[Entry], signers: Signers | None) -> Iterator[Fault]:
    """The entries of a chain with an invalid signature, or without a required one."""
    for entry in chain:
        facts, signature = entry.facts, entry.facts.get("signature")
        if entry.kind not in DECISIONS.values():
            continue
        try:
            if signature and signers:
                signers.check(
                    signed_text(facts), str(signature), str(facts["who"]), str(facts["at"])
                )
            elif signature:
                check(signed_text(facts), str(signature))
            elif entry.kind == "approved" and f"{SIGNED} = true" in str(facts.get("rules")):
                raise SignatureError("expected a signature by the rules of that time, got none")
        except (SignatureError, KeyError, ValueError) as error:
            yield Fault(entry.number, str(error))


def count(chain: Iterable[Entry]) -> int:
    """How many entries are signed."""
    return sum(1 for entry in chain if entry.facts.get("signature"))


# The format


def _string(content: bytes) -> bytes:
    return len(content).to_bytes(4, "big") + content


def _fields(content: bytes, count: int) -> list[bytes]:
    """A given number of strings in SSH's encoding, and the rest.

    Raises:
        ValueError: if there are fewer.
    """
    fields = []
    for _ in range(count):
        length = int.from_bytes(content[:4], "big")
        if len(content) < 4 + length:
            raise ValueError("it is truncated")
        fields.append(content[4 : 4 + length])
        content = content[4 + length :]
    return [*fields, content]


def _armored(blob: bytes) -> str:
    encoded = base64.b64encode(blob).decode()
    lines = [encoded[start : start + 70] for start in range(0, len(encoded), 70)]
    return "\n".join([_BEGIN, *lines, _END, ""])


def _taken_apart(signature: str) -> _Parts:
    body = re.fullmatch(rf"{_BEGIN}\s+([A-Za-z0-9+/=\s]+?)\s+{_END}\s*", signature)
    try:
        blob = base64.b64decode("".join(body[1].split()) if body else "", validate=True)
        if blob[:10] != _MAGIC + (1).to_bytes(4, "big"):
            raise ValueError
        key, namespace, _, hash_, signed, rest = _fields(blob[10:], 5)
        algorithm, raw, more = _fields(signed, 2)
        parts = _Parts(key, namespace.decode(), hash_.decode(), algorithm.decode(), raw)
    except (ValueError, binascii.Error):
        raise SignatureError("expected a signature in the format of `ssh-keygen -Y sign`") from None
    if rest or (more and not parts.algorithm.startswith("sk-")) or parts.hash not in _HASHES:
        raise SignatureError("expected a signature in the format of `ssh-keygen -Y sign`")
    return parts


def fingerprint(key: bytes) -> str:
    """A public key's fingerprint, as `ssh-keygen -l` shows it."""
    return f"SHA256:{base64.b64encode(hashlib.sha256(key).digest()).decode().rstrip('=')}"


# Keys


def _verify(parts: _Parts, signed: bytes) -> None:
    """Check the signature itself.

    Raises:
        SignatureError: if its type of key is not supported.
        cryptography.exceptions.InvalidSignature: if it does not match the bytes and key.
    """
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
    from cryptography.hazmat.primitives.serialization import load_ssh_public_key

    kind = "an unknown kind"
    try:
        kind = _fields(parts.key, 1)[0].decode("ascii", "replace")
        key = load_ssh_public_key(f"{kind} {base64.b64encode(parts.key).decode()}".encode())
    except (ValueError, UnsupportedAlgorithm):
        raise _unsupported(kind) from None
    try:
        if isinstance(key, ed25519.Ed25519PublicKey) and parts.algorithm == "ssh-ed25519":
            key.verify(parts.signature, signed)
        elif isinstance(key, ec.EllipticCurvePublicKey) and parts.algorithm == kind:
            r, s, _ = _fields(parts.signature, 2)
            numbers = (int.from_bytes(number, "big") for number in (r, s))
            digest = getattr(hashes, _CURVES[kind.rpartition("-")[2]])()
            key.verify(encode_dss_signature(*numbers), signed, ec.ECDSA(digest))
        elif (
            isinstance(key, rsa.RSAPublicKey)
            and parts.algorithm in ("rsa-sha2-512", "rsa-sha2-256")
            and key.key_size >= _LEAST_RSA_BITS
        ):
            digest = hashes.SHA512() if parts.algorithm.endswith("512") else hashes.SHA256()
            key.verify(parts.signature, signed, padding.PKCS1v15(), digest)
        else:
            raise _unsupported(f"{kind} with {parts.algorithm}")
    except ValueError:  # of invalid numbers
        raise InvalidSignature from None


def _unsupported(kind: str) -> SignatureError:
    return SignatureError(
        "expected a key of type ssh-ed25519, ecdsa-sha2-nistp256, -nistp384, -nistp521, or "
        f"ssh-rsa of at least {_LEAST_RSA_BITS} bits, got {kind}"
    )


def _private_key(content: bytes, file: Path, ask: Ask) -> Any:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
    from cryptography.hazmat.primitives.serialization import load_ssh_private_key as load_ssh

    load = load_ssh if b"OPENSSH" in content[:100] else load_pem_private_key
    try:
        return load(content, None)
    except TypeError:  # it is encrypted
        pass
    except (ValueError, UnsupportedAlgorithm) as error:
        if "password" not in str(error).lower():
            raise SignatureError(f"{file} is not a usable private key: {error}") from None
    try:
        return load(content, ask(f"passphrase of {file}").encode())
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise SignatureError(f"{file}: the passphrase is wrong, or the key is damaged") from None


def _public_blob(private: Any) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    try:
        line = private.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    except (ValueError, TypeError, AttributeError):
        raise _unsupported(type(private).__name__) from None
    return base64.b64decode(line.split()[1])


def _algorithm(private: Any) -> str:
    kind = _fields(_public_blob(private), 1)[0].decode()
    return "rsa-sha2-512" if kind == "ssh-rsa" else kind


def _raw_signature(private: Any, signed: bytes) -> bytes:
    """The signature of bytes by a key, in SSH's encoding."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

    if isinstance(private, ed25519.Ed25519PrivateKey):
        return private.sign(signed)
    if isinstance(private, ec.EllipticCurvePrivateKey):
        digest = getattr(hashes, _CURVES[_algorithm(private).rpartition("-")[2]])()
        r, s = decode_dss_signature(private.sign(signed, ec.ECDSA(digest)))
        return _string(_mpint(r)) + _string(_mpint(s))
    if isinstance(private, rsa.RSAPrivateKey) and private.key_size >= _LEAST_RSA_BITS:
        return private.sign(signed, padding.PKCS1v15(), hashes.SHA512())
    raise _unsupported(_algorithm(private))


def _mpint(number: int) -> bytes:
    return number.to_bytes(number.bit_length() // 8 + 1, "big")


def _signed_by_agent(message: str, public: Path) -> str:
    """Have `ssh-keygen` sign through the SSH agent with the private key of a public key's file."""
    program = shutil.which("ssh-keygen")
    if program is None:
        raise SignatureError(f"{public} is not a private key, and ssh-keygen, which could ask an "
                             "agent, is not installed")  # fmt: skip
    done = subprocess.run(
        [program, "-Y", "sign", "-n", NAMESPACE, "-f", str(public)], input=message.encode(),
        capture_output=True, check=False,
    )  # fmt: skip
    if done.returncode:
        reason = " ".join(done.stderr.decode("utf-8", "replace").split())
        raise SignatureError(f"ssh-keygen could not sign with {public}: {reason}")
    return done.stdout.decode()
