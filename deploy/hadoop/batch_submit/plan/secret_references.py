"""A secret in the configuration is a reference: ``${VARIABLE}``, ``file:``, ``credential:`` or ``keyring:``.

Where a value is a secret is told by its key (:func:`keeps_secret`), or by the configuration's own
``spark.redaction.regex``. A reference is followed when a job is launched and
not before; what a dry run, a record or ``config show`` shows is the reference itself.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable, Mapping

from batch_submit.data_classes import dataclass
from batch_submit.errors import UsageError
from batch_submit.plan import redaction
from batch_submit.plan.production import is_production
from batch_submit.plan.secrets import is_secret, mask
from batch_submit.plan.sourced import Path, Sourced

#: Of what only the configuration's own pattern finds, shorter values are masked under their keys alone.
_SHORTEST_TOLD = 8
VARIABLE, FILE, CREDENTIAL, KEYRING = "variable", "file", "credential", "keyring"
#: Where Hadoop is told of its credential providers.
PROVIDER_PATH = "hadoop.security.credential.provider.path"
_HADOOP = "spark.hadoop."

#: Keys that hold a secret's word and say something about it: a switch, a place, a kind, a time.
_ABOUT_A_SECRET = re.compile(
    r"(?i)(?:enabled?|path|file|files|dir|location|ur[il]|address|providers?|class|impl|regex|conf|type|alias|algorithm|"
    r"interval|ttl|timeout|lifetime|expiry|ratio|length|size|principal|services?|exclude|tokens|renewal[.]credentials|"
    r"client[.]id|email|context|username)$"
)
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_PREFIXES = (FILE, CREDENTIAL, KEYRING)
#: How a reference is written, for messages.
FORMS = "${VARIABLE}, file:PATH, credential:ALIAS or keyring:SERVICE/USER"


@dataclass(frozen=True)
class Reference:
    """Where a secret lies.

    Parameters
    ----------
    kind
        ``variable``, ``file``, ``credential`` (of a Hadoop credential provider) or ``keyring``.
    name
        The variable, the path, the alias, or ``service/user``.
    """

    kind: str
    name: str

    def __str__(self) -> str:
        return f"${{{self.name}}}" if self.kind == VARIABLE else f"{self.kind}:{self.name}"


def keeps_secret(key: str, told: Callable[[str], bool] = lambda key: False) -> bool:
    """Whether the value of a key is itself a secret; ``…credential.provider.path`` and ``…token.file`` are not.

    Parameters
    ----------
    told
        What else is a secret's key: :func:`batch_submit.plan.redaction.told_by`.
    """
    return (is_secret(key) or told(key)) and _ABOUT_A_SECRET.search(key) is None


def reference_of(value: object) -> Reference | None:
    """The reference that a value is; ``None`` for anything else.

    Raises
    ------
    ValueError
        It begins as one and names nothing.
    """
    if not isinstance(value, str):
        return None
    if (variable := _VARIABLE.fullmatch(value)) is not None:
        return Reference(VARIABLE, variable[1])
    kind, colon, name = value.partition(":")
    if not colon or kind not in _PREFIXES:
        return None
    if not name.strip() or (kind == KEYRING and not all(name.rpartition("/")[::2])):
        raise ValueError(f"write {FORMS}")
    return Reference(kind, name)


def references(conf: Mapping[str, Sourced]) -> dict[str, Reference]:
    """The properties whose secrets lie elsewhere; paths are absolute, from the file that names them.

    Raises
    ------
    UsageError
        Naming every one that begins as a reference and names nothing.
    """
    found, problems = {}, []
    told = redaction.told_by(conf)
    for key, sourced in sorted(conf.items()):
        try:
            one = reference_of(sourced.value) if _ours(key, sourced, told) else None
        except ValueError as error:
            problems.append(f"{sourced.origin}: {sourced.key or key}: {error}")
            continue
        if one is not None:
            found[key] = _located(one, sourced)
    if problems:
        raise UsageError("a secret's reference names nothing", details=problems, next_step="see docs/secrets.md")
    return found


def variables_with_secrets(values: Mapping[Path, Sourced], environment: Iterable[str]) -> frozenset[str]:
    """The environment variables that no child needs: those that references name, and our own that are secrets."""
    named = {name for name in environment if name.startswith("BATCH_SUBMIT_") and keeps_secret(name)}
    told = redaction.told_by({place[-1]: sourced for place, sourced in values.items()})
    for place, sourced in values.items():
        match = _VARIABLE.fullmatch(sourced.value) if isinstance(sourced.value, str) else None
        if match is not None and (_ours(".".join(place), sourced) or _ours(place[-1], sourced, told)):
            named.add(match[1])
    return frozenset(named)


def literals(conf: Mapping[str, Sourced]) -> list[str]:
    """The secrets that stand in the configuration itself, one line each, without their values.

    Those of the site's ``spark-defaults.conf`` are the site's: it is written for Spark, which knows no references.
    What only a ``spark.redaction.regex`` finds is masked and no literal: a site's ``key`` fits many a plain setting.
    """
    found = []
    for key, sourced in sorted(conf.items()):
        if _is_sites(sourced) or not is_literal(key, sourced.value):
            continue
        inside = not is_secret(key)
        typed = "; everybody on this host can read it" if sourced.origin.startswith("flag") else ""
        found.append(f"{sourced.origin}: {sourced.key or key} {'holds' if inside else 'is'} a secret{typed}")
    return found


def is_literal(key: str, value: object, told: Callable[[str], bool] = lambda key: False) -> bool:
    """Whether a secret itself stands under a key, or inside its value; a reference to one is none.

    ``told`` is that of :func:`keeps_secret`.
    """
    if not (is_secret(key) or told(key)):
        return mask(key, value) != value
    if not keeps_secret(key, told) or _is_harmless(value):
        return False
    try:
        return reference_of(value) is None
    except ValueError:
        return False  # `references` tells


def literals_by_pattern(conf: Mapping[str, Sourced]) -> list[str]:
    """What to advise on: values that only the configuration's own ``spark.redaction.regex`` makes secrets."""
    told = redaction.told_by(conf)
    return [
        f"{sourced.origin}: {sourced.key or key} is a secret by {redaction.KEY}; {FORMS} would keep it out of the file"
        for key, sourced in sorted(conf.items())
        if not _is_sites(sourced)
        and not is_literal(key, sourced.value)
        and _is_long_enough(sourced.value)
        and is_literal(key, sourced.value, told)
    ]


def _is_long_enough(value: object) -> bool:
    return len(str(value)) >= _SHORTEST_TOLD


def literal_values(conf: Mapping[str, Sourced], secrets: Mapping[str, str]) -> list[str]:
    """The values to hide wherever they stand: of a plan's properties that are not shown, those that are secrets.

    Not switches, references, or what says something about a secret; and what only the configuration's own pattern finds
    if it is long enough to be no plain word by chance.
    """
    told = redaction.told_by(conf)
    return [
        value
        for key, value in secrets.items()
        if is_literal(key, value) or (_is_long_enough(value) and is_literal(key, value, told))
    ]


def refuse_literals(env: str | None, found: Iterable[str]) -> list[str]:
    """What to warn of; for production there is nothing to warn of, but to refuse.

    Raises
    ------
    UsageError
        An ``--env`` of production, and a secret stands in the configuration.
    """
    listed = list(found)
    if not listed:
        return []
    if is_production(env):
        raise UsageError(
            f"{len(listed)} secret(s) stand in the configuration itself, which --env {env} does not allow",
            details=listed,
            next_step=f"write a reference in its place: {FORMS}",
        )
    return [f"{line}; better write {FORMS} (--env prod refuses it)" for line in listed]


def left_to_hadoop(found: Mapping[str, Reference], provider: str, *, same_host: bool) -> frozenset[str]:
    """The properties whose secret Hadoop reads from the provider itself, where it is needed, so that it never travels.

    ``Configuration.getPassword`` looks for an alias that is the property's own name. Hadoop's clients read their
    secrets so, and Spark those of ``spark.ssl.*`` (``SSLOptions.parse``, 4.3.0).

    Parameters
    ----------
    provider
        The provider path in force.
    same_host
        The job runs on this host, where local key stores are.
    """
    readable = same_host or not any(one.strip().startswith(("local", "user:")) for one in provider.split(","))
    names = {key: key.removeprefix(_HADOOP) for key in found if key.startswith((_HADOOP, "spark.ssl."))}
    return frozenset(key for key, name in names.items() if readable and found[key] == Reference(CREDENTIAL, name))


def _ours(key: str, sourced: Sourced, told: Callable[[str], bool] = lambda key: False) -> bool:
    return keeps_secret(key, told) and not _is_sites(sourced)


def _is_sites(sourced: Sourced) -> bool:
    return sourced.origin.rpartition(":")[0].endswith("spark-defaults.conf")


def _is_harmless(value: object) -> bool:
    """A switch is no secret, nor is the name of a key that AWS keeps (``fs.s3a.encryption.key``)."""
    words = str(value).strip().lower()
    return value is None or isinstance(value, bool) or words in ("", "true", "false") or words.startswith("arn:")


def _located(one: Reference, sourced: Sourced) -> Reference:
    if one.kind != FILE or one.name.startswith("/") or not sourced.base:
        return one
    return Reference(FILE, posixpath.normpath(posixpath.join(sourced.base, one.name)))
