"""Whether a keytab logs us in: ``enable_kerberos`` says so, or principal and keytab, which nobody gives for nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from batch_submit.data_classes import dataclass
from batch_submit.errors import UsageError
from batch_submit.plan.sourced import Path, Sourced

if TYPE_CHECKING:
    from batch_submit.plan.merged import Config

_SECTION = "security_config"
_SWITCH = (_SECTION, "enable_kerberos")
_KEYS = ("principal", "keytab")


@dataclass(frozen=True)
class KeytabLogin:
    """A login that the configuration asks for.

    Parameters
    ----------
    principal, keytab
        With their origins; the keytab from the folder of the file that names it.
    because
        What has switched it on, for ``--verbose``.
    """

    principal: Sourced
    keytab: Sourced
    because: str


def settled_switch(values: Mapping[Path, Sourced], rank: Callable[[Path], int]) -> tuple[Sourced | None, str]:
    """What ``enable_kerberos`` comes to where principal or keytab are given.

    Parameters
    ----------
    values
        The merged configuration.
    rank
        The number of the layer that has set a value; later layers win.

    Returns
    -------
    tuple
        The value that takes its place, or ``None`` where it stays; and a warning, or "".
    """
    given = {key: found for key in _KEYS if (found := values.get((_SECTION, key))) is not None and found.value}
    said = values.get(_SWITCH)
    if not given or (said is not None and said.value is True):
        return None, ""
    told = " and ".join(f"{_SECTION}.{key} ({one.origin})" for key, one in given.items())
    if said is not None and said.value is False and rank(_SWITCH) >= max(rank((_SECTION, key)) for key in given):
        told += " are not used" if len(given) > 1 else " is not used"
        return None, f"{said.origin}: {_SECTION}.enable_kerberos: false switches the login off: {told}"
    names = " and ".join(f"{_SECTION}.{key}" for key in given)
    return Sourced(True, told if len(given) > 1 else next(iter(given.values())).origin, key=names), ""


def keytab_login(config: Config) -> KeytabLogin | None:
    """The login by a keytab; ``None``: the user's own ticket counts.

    Raises
    ------
    UsageError
        It is switched on, and principal or keytab is missing.
    """
    switch = config.get(_SWITCH)
    if switch is None or switch.value is not True:
        return None
    found = {}
    for key in _KEYS:
        sourced = config.get((_SECTION, key))
        if sourced is None or not sourced.value:
            raise UsageError(
                f"{switch.key or '.'.join(_SWITCH)} needs {_SECTION}.{key} too",
                where=switch.origin,
                next_step=f"add {key}: to {_SECTION} (submit: --{key})",
            )
        found[key] = sourced
    path = config.local_path((_SECTION, "keytab"))
    keytab = Sourced(path, found["keytab"].origin)
    return KeytabLogin(Sourced(str(found["principal"].value), found["principal"].origin), keytab, switch.origin)
