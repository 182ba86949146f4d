"""Java's truststores as PEM, which is what Python's TLS takes: made once, kept under a hash of the store.

JKS and JCEKS are read here: their certificates are not encrypted (format: ``sun.security.provider.JavaKeyStore``,
OpenJDK 17). PKCS12 is read by Java's ``keytool``, else by the Python package ``cryptography``, where there is one.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import field, replace
from pathlib import Path

from batch_submit.adapters.bounded_programs import TookTooLong, run
from batch_submit.adapters.own_files import own_folder, write_whole
from batch_submit.data_classes import dataclass
from batch_submit.errors import HostNotReady

#: The largest truststore that is one: Java's own has 150 certificates in 200 kB.
MAX_BYTES = 16 << 20
_JKS, _JCEKS = b"\xfe\xed\xfe\xed", b"\xce\xce\xce\xce"
_PRIVATE_KEY, _TRUSTED, _SECRET_KEY = 1, 2, 3
_SALT = b"Mighty Aphrodite"  # the digest's (JavaKeyStore.getPreKeyedHash)
_KEYTOOL_S = 30.0
_VARIABLE = "BATCH_SUBMIT_TRUSTSTORE_SECRET"
_ENTRY = re.compile(
    r"^Entry type: (\w+)|(-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----)", re.MULTILINE
)
_BY_HAND = (
    "name the CA's certificate as PEM in security_config.ca_bundle: keytool -exportcert -rfc -alias NAME -keystore "
)


@dataclass(frozen=True)
class Truststore:
    """A truststore of this host.

    Parameters
    ----------
    path
        Absolute.
    origin
        Who names it, for messages.
    password
        Empty: none is known. Of JKS it only proves that the file is whole.
    find_password
        Where it lies elsewhere: asked for once, of a store that can't be read without it.
    """

    path: str
    origin: str
    password: str = ""
    find_password: Callable[[], str] | None = field(default=None, compare=False)


class BadStore(ValueError):
    """It can't be read; the text says why."""


def pem_file(store: Truststore, folder: Path, env: Mapping[str, str]) -> Path:
    """The store's certificates as a PEM file of ours; made at the first call for this content of the store.

    Parameters
    ----------
    folder
        Where it is kept; made with mode 700.
    env
        Where ``keytool`` is looked for: ``JAVA_HOME``, ``PATH``.

    Raises
    ------
    HostNotReady, MissingFile
        The store can't be read or turned into PEM, its password can't be had, or the file can't be kept.
    """
    try:
        data = _content(store)
        kept = folder / f"{hashlib.sha256(data).hexdigest()[:32]}.pem"
        if not _is_ours(kept):
            _keep(kept, "".join(to_pem(one) for one in certificates(store, data, env)))
    except BadStore as error:
        raise HostNotReady(
            f"the truststore can't be used for our own calls: {error}",
            where=f"{store.path} ({store.origin})",
            next_step=_BY_HAND + store.path,
        ) from error
    except OSError as error:
        raise HostNotReady(
            f"the truststore can't be used: {error.strerror or error}",
            where=f"{error.filename or store.path} ({store.origin})",
            next_step="let this account read the truststore, or name a PEM file in security_config.ca_bundle",
        ) from error
    return kept


def certificates(store: Truststore, data: bytes, env: Mapping[str, str]) -> list[bytes]:
    """The trusted certificates of a store's content, as DER.

    Raises
    ------
    BadStore
        The format is not known, the password is wrong, it holds none, or nothing here can read it.
    HostNotReady, MissingFile
        Its password can't be had from where it lies.
    """
    if data[:4] in (_JKS, _JCEKS):
        found = read_jks(data, store.password)
    elif data[:1] == b"\x30":
        found = _read_pkcs12(store, data, env)
        if store.find_password is not None and not found:
            found = _read_pkcs12(replace(store, password=store.find_password()), data, env)
    elif b"-----BEGIN CERTIFICATE-----" in data[:65536]:
        raise BadStore("it is a PEM file: name it in security_config.ca_bundle")
    else:
        raise BadStore("it is neither JKS nor PKCS12")
    if not found:
        raise BadStore("it holds no trusted certificate" + ("" if store.password else " that is seen without password"))
    return found


def read_jks(data: bytes, password: str | None = None) -> list[bytes]:
    """The trusted certificates of a JKS or JCEKS store, as DER; those that belong to private keys are left out.

    Parameters
    ----------
    password
        Checked against the digest at the store's end; none: not checked, as Java does it.

    Raises
    ------
    BadStore
        It is cut off or damaged, or the password is wrong.
    """
    if password:
        digest = hashlib.sha1(password.encode("utf-16-be") + _SALT + data[:-20], usedforsecurity=False).digest()
        if digest != data[-20:]:
            raise BadStore("the password is wrong, or the file is damaged")
    reader = _Reader(data)
    reader.take(4)
    version = reader.number(4)
    if version not in (1, 2):
        raise BadStore(f"version {version} of JKS is not known")
    found = []
    for _ in range(reader.number(4)):
        tag = reader.number(4)
        reader.take(reader.number(2))  # alias
        reader.take(8)  # when it was made
        if tag == _TRUSTED:
            found.append(reader.certificate(version))
        elif tag == _PRIVATE_KEY:
            reader.take(reader.number(4))
            for _ in range(reader.number(4)):
                reader.certificate(version)
        elif tag == _SECRET_KEY:
            break  # a Java object of unknown length; a truststore has none
        else:
            raise BadStore("it is damaged: an entry of an unknown kind")
    return found


class _Reader:
    """Takes a store apart from its front."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, size: int) -> bytes:
        end = self._at + size
        if end > len(self._data):
            raise BadStore("it is cut off")
        piece, self._at = self._data[self._at : end], end
        return piece

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def certificate(self, version: int) -> bytes:
        if version == 2:
            self.take(self.number(2))  # its type; there is only X.509
        return self.take(self.number(4))


def to_pem(der: bytes) -> str:
    """A certificate as PEM."""
    text = base64.b64encode(der).decode("ascii")
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    return "\n".join(["-----BEGIN CERTIFICATE-----", *lines, "-----END CERTIFICATE-----", ""])


def _from_pem(text: str) -> bytes:
    try:
        return base64.b64decode("".join(text.splitlines()[1:-1]), validate=True)
    except ValueError as error:
        raise BadStore(f"a certificate in it is none: {error}") from error


def _read_pkcs12(store: Truststore, data: bytes, env: Mapping[str, str]) -> list[bytes]:
    keytool = _keytool(env)
    if keytool:
        return list(_by_keytool(keytool, store))
    try:
        from cryptography.hazmat.primitives.serialization import Encoding, pkcs12
    except ImportError as error:
        raise BadStore(
            "it is PKCS12, and there is neither Java's keytool nor the Python package cryptography"
        ) from error
    try:
        read = pkcs12.load_pkcs12(data, store.password.encode() or None)
    except ValueError as error:
        if not store.password:
            return []  # as keytool, which shows none of those that are encrypted
        raise BadStore(f"it is PKCS12 and does not open: {error}") from error
    return [one.certificate.public_bytes(Encoding.DER) for one in read.additional_certs if read.key is None]


def _keytool(env: Mapping[str, str]) -> str:
    own = Path(env.get("JAVA_HOME", ""), "bin", "keytool")
    if env.get("JAVA_HOME") and os.access(own, os.X_OK):
        return str(own)
    return shutil.which("keytool", path=env.get("PATH", os.defpath)) or ""


def _by_keytool(keytool: str, store: Truststore) -> list[bytes]:
    """What ``keytool -list -rfc`` prints. The password goes through its environment: a command line is public."""
    command = [keytool, "-J-Duser.language=en", "-list", "-rfc", "-keystore", store.path]
    command += ["-storepass:env", _VARIABLE] if store.password else []
    environment = {"PATH": os.defpath, _VARIABLE: store.password}
    try:
        status, out, err = run(command, environment, _KEYTOOL_S)
    except (OSError, TookTooLong) as error:
        raise BadStore(f"keytool did not end well: {error}") from error
    if status != 0:
        words = " ".join((out or err).decode("utf-8", "replace").split())[:300]
        raise BadStore(f"keytool can't read it: {words}")
    return list(listed(out.decode("utf-8", "replace")))


def listed(text: str) -> Iterator[bytes]:
    """The trusted certificates, as DER, in what ``keytool -list -rfc`` prints.

    Raises
    ------
    BadStore
        A certificate is none.
    """
    kind = ""
    for entry in _ENTRY.finditer(text):
        kind = entry[1] or kind
        if entry[2] and kind == "trustedCertEntry":
            yield _from_pem(entry[2])


def _content(store: Truststore) -> bytes:
    with Path(store.path).open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise BadStore(f"it is larger than {MAX_BYTES} bytes")
    return data


def _is_ours(kept: Path) -> bool:
    """Whether the file is there, as we wrote it: whoever can write there says whom we trust."""
    try:
        status = os.lstat(kept)
    except OSError:
        return False
    return stat.S_ISREG(status.st_mode) and status.st_uid == os.getuid() and not status.st_mode & 0o077


def _keep(kept: Path, text: str) -> None:
    own_folder(kept.parent)
    write_whole(kept, text.encode("ascii"))
