"""A Kerberos realm in a folder: what MIT's KDC reads, its database, principals and keytabs. Nothing runs by itself.

Source: the MIT documentation of ``krb5.conf`` and ``kdc.conf``. Nothing of the host's own Kerberos is read or changed.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from devcluster_lib.errors import DaemonFailed, HostNotReady
from devcluster_lib.state import write_whole

KDC_PROGRAM, DATABASE_PROGRAM, ADMIN_PROGRAM = "krb5kdc", "kdb5_util", "kadmin.local"
#: Not on the path of ordinary users.
SYSTEM_FOLDERS = ("/usr/sbin", "/usr/local/sbin", "/sbin")
PACKAGES = "krb5-kdc krb5-admin-server krb5-user"
TIMEOUT_S = 30.0

KRB5_CONF = """\
[libdefaults]
  default_realm = {name}
  dns_lookup_kdc = false
  dns_lookup_realm = false
  dns_canonicalize_hostname = false
  rdns = false
  udp_preference_limit = 1
  ticket_lifetime = {life}
  renew_lifetime = 7d
  forwardable = true
  permitted_enctypes = aes256-cts-hmac-sha1-96 aes128-cts-hmac-sha1-96
[realms]
  {name} = {{
    kdc = 127.0.0.1:{port}
  }}
[domain_realm]
  localhost = {host_realm}
[logging]
  kdc = STDERR
"""
KDC_CONF = """\
[kdcdefaults]
  kdc_listen = 127.0.0.1:{port}
  kdc_tcp_listen = 127.0.0.1:{port}
[realms]
  {name} = {{
    database_name = {folder}/principal
    key_stash_file = {folder}/stash
    acl_file = {folder}/kadm5.acl
    max_life = {life}
    max_renewable_life = 7d
    supported_enctypes = aes256-cts-hmac-sha1-96:normal aes128-cts-hmac-sha1-96:normal
  }}
"""


@dataclass(frozen=True)
class Realm:
    """One realm.

    Parameters
    ----------
    folder
        Where all of it lies; it has to exist.
    port
        Of its KDC, on 127.0.0.1.
    host_realm
        Of which realm its clients take ``localhost`` to be; "" is this one.
    life
        Of a ticket, at most, as ``kdc.conf`` takes it.
    """

    folder: Path
    name: str
    port: int
    host_realm: str = ""
    life: str = "24h"

    @property
    def krb5_conf(self) -> Path:
        """What clients and servers read."""
        return self.folder / "krb5.conf"

    @property
    def environment(self) -> dict[str, str]:
        """Variables for MIT's server programs."""
        return {"KRB5_CONFIG": str(self.krb5_conf), "KRB5_KDC_PROFILE": str(self.folder / "kdc.conf")}

    def create(self) -> None:
        """Write its files and make an empty database.

        Raises
        ------
        DaemonFailed, HostNotReady
            With the words of MIT's programs; a program is missing.
        """
        values = {"name": self.name, "port": self.port, "folder": self.folder, "life": self.life}
        write_whole(self.krb5_conf, KRB5_CONF.format(**values, host_realm=self.host_realm or self.name))
        write_whole(self.folder / "kdc.conf", KDC_CONF.format(**values))
        master_key = secrets.token_hex(32)
        self._run([DATABASE_PROGRAM, "create", "-s", "-r", self.name], f"{master_key}\n{master_key}\n")

    def add(self, keytabs: dict[str, Path]) -> None:
        """Make principals with random keys, each key in a keytab; several may share one.

        Raises
        ------
        DaemonFailed, HostNotReady
            One could not be made, with the words of ``kadmin.local``; it is missing.
        """
        queries = [f"addprinc -randkey {name}\nktadd -k {keytab} {name}\n" for name, keytab in keytabs.items()]
        said = self._run([ADMIN_PROGRAM, "-r", self.name], "".join(queries))
        for name, keytab in keytabs.items():
            if not keytab.is_file():  # kadmin.local ends with 0 whatever its queries did
                raise DaemonFailed(f"kdc: no keytab was made for {name}:\n{said}")

    def _run(self, command: list[str], text: str) -> str:
        found = program(command[0])
        if found is None:
            raise HostNotReady(f"{command[0]} is missing: apt-get install {PACKAGES}")
        try:
            done = subprocess.run(
                [found, *command[1:]], input=text, env={"PATH": search_path(), **self.environment},
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=TIMEOUT_S, check=False,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as error:
            raise DaemonFailed(f"kdc: {command[0]} did not end well: {error}") from error
        if done.returncode != 0:
            raise DaemonFailed(f"kdc: {command[0]} failed (exit code {done.returncode}):\n{done.stdout.strip()}")
        return done.stdout


def search_path() -> str:
    """The caller's path, and where Debian puts MIT's server programs."""
    return os.pathsep.join((os.environ.get("PATH", os.defpath), *SYSTEM_FOLDERS))


def program(name: str) -> str | None:
    """Where one of MIT's programs lies."""
    return shutil.which(name, path=search_path())


def kdc_command() -> list[str]:
    """The KDC in the foreground."""
    return [program(KDC_PROGRAM) or KDC_PROGRAM, "-n"]
