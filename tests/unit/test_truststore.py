"""Java's truststores as PEM: made by Java, read here. The stores stand in ``tests/golden/tls``."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_submit.adapters.truststore import BadStore, Truststore, certificates, pem_file, read_jks, to_pem
from batch_submit.errors import HostNotReady

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "tls"
CA = ssl.PEM_cert_to_DER_cert((GOLDEN / "ca.pem").read_text(encoding="ascii"))
JKS = (GOLDEN / "truststore.jks").read_bytes()


@pytest.mark.parametrize("name", ["truststore.jks", "truststore.jceks", "keys-and-ca.jks"])
@pytest.mark.parametrize("password", ["", "changeit"])
def test_the_trusted_certificates_of_a_store_and_no_others(name: str, password: str) -> None:
    assert read_jks((GOLDEN / name).read_bytes(), password) == [CA]


def test_a_key_with_its_certificate_is_nobody_to_trust() -> None:
    data = (GOLDEN / "keys-only.jks").read_bytes()
    assert read_jks(data) == []
    with pytest.raises(BadStore, match="holds no trusted certificate"):
        certificates(Truststore("x", "y"), data, {})


def test_a_wrong_password_and_a_changed_store_are_told_apart_from_nothing() -> None:
    with pytest.raises(BadStore, match="the password is wrong, or the file is damaged"):
        read_jks(JKS, "wrong")
    changed = bytearray(JKS)
    changed[-30] ^= 1
    with pytest.raises(BadStore, match="damaged"):
        read_jks(bytes(changed), "changeit")


@given(st.integers(0, len(JKS) - 1), st.binary(max_size=8))
def test_damage_is_told_and_nothing_else_happens(at: int, other: bytes) -> None:
    for damaged in (JKS[:at], JKS[:at] + other + JKS[at + len(other) :]):
        try:
            assert all(isinstance(one, bytes) for one in read_jks(damaged))
        except BadStore:
            continue


@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for body in (data, JKS[:4] + data):
        try:
            read_jks(body)
        except BadStore:
            continue


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "neither JKS nor PKCS12"),
        (b"hello", "neither JKS nor PKCS12"),
        ((GOLDEN / "ca.pem").read_bytes(), "it is a PEM file: name it in security_config.ca_bundle"),
        (JKS[:4] + b"\0\0\0\x09\0\0\0\0", "version 9 of JKS is not known"),
        (JKS[:50], "cut off"),
    ],
)
def test_what_is_no_store(data: bytes, message: str) -> None:
    with pytest.raises(BadStore, match=message):
        certificates(Truststore("x", "y"), data, {})


def test_the_pem_is_made_once_for_its_content_and_read_by_us_only(tmp_path: Path) -> None:
    store = Truststore(str(GOLDEN / "truststore.jks"), "c.yaml:3", "changeit")
    made = pem_file(store, tmp_path / "tls", {})
    assert made.read_text(encoding="ascii") == to_pem(CA)
    assert [path.stat().st_mode & 0o777 for path in (made, made.parent)] == [0o600, 0o700]
    context = ssl.create_default_context(cafile=str(made))
    assert [one["subject"] for one in context.get_ca_certs()] == [((("commonName", "test ca"),),)]
    written = made.stat().st_mtime_ns
    assert pem_file(store, tmp_path / "tls", {}) == made and made.stat().st_mtime_ns == written
    other = Truststore(str(GOLDEN / "keys-and-ca.jks"), "c.yaml:3")
    assert pem_file(other, tmp_path / "tls", {}) != made, "named by the store's content"


def test_what_somebody_else_may_write_is_made_anew(tmp_path: Path) -> None:
    store = Truststore(str(GOLDEN / "truststore.jks"), "c.yaml:3")
    made = pem_file(store, tmp_path, {})
    made.write_text((GOLDEN / "other-ca.pem").read_text(encoding="ascii"), encoding="ascii")
    made.chmod(0o622)
    assert pem_file(store, tmp_path, {}).read_text(encoding="ascii") == to_pem(CA)
    made.unlink()
    made.symlink_to(GOLDEN / "other-ca.pem")
    assert pem_file(store, tmp_path, {}).read_text(encoding="ascii") == to_pem(CA)
    assert not made.is_symlink() and "other" not in to_pem(CA)


@pytest.mark.parametrize(("name", "message"), [("nowhere.jks", "No such file"), ("server.pem", "it is a PEM file")])
def test_a_store_that_can_not_be_used_says_which_and_what_to_do(name: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(HostNotReady) as caught:
        pem_file(Truststore(str(GOLDEN / name), "security_config.truststore_path, c.yaml:3"), tmp_path, {})
    assert message in caught.value.message and "c.yaml:3" in caught.value.where and name in caught.value.where
    assert "security_config.ca_bundle" in caught.value.next_step
    assert list(tmp_path.iterdir()) == []


def test_a_password_that_lies_elsewhere_is_asked_for_where_it_opens_something(tmp_path: Path) -> None:
    pytest.importorskip("cryptography")
    asked: list[str] = []

    def find() -> str:
        asked.append("once")
        return "changeit"

    env = {"PATH": "/nowhere"}  # no keytool
    needless = Truststore(str(GOLDEN / "truststore.jks"), "ssl-client.xml", find_password=find)
    assert pem_file(needless, tmp_path, env).read_text(encoding="ascii") == to_pem(CA) and asked == []
    encrypted = Truststore(str(GOLDEN / "truststore.p12"), "ssl-client.xml", find_password=find)
    for _ in range(2):
        assert pem_file(encrypted, tmp_path, env).read_text(encoding="ascii") == to_pem(CA)
    assert asked == ["once"]
    with pytest.raises(HostNotReady, match="holds no trusted certificate that is seen without password"):
        pem_file(Truststore(str(GOLDEN / "truststore.p12"), "c.yaml:3"), tmp_path / "other", env)
