"""What may not travel into a container: texts that YARN rewrites, and secrets that it would publish.

YARN writes the application master's command into ``launch_container.sh`` and runs it through a shell. Seen on Hadoop
3.5.0 with spark-submit in cluster mode: a backquoted word *ran*, ``{{ ds }}`` became ``$ ds``, ``<LOG_DIR>`` was
expanded, and values of ``appMasterEnv`` lost ``$HOME``, ``{{x}}`` and quotes. ``launch_container.sh`` is aggregated
with the logs.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping, Sequence

from batch_submit.errors import UnsafeForContainer, UsageError
from batch_submit.plan.redaction import told_by
from batch_submit.plan.secrets import holds_password, holds_secret, is_secret, is_secret_name, mask
from batch_submit.plan.sourced import Sourced
from batch_submit.plan.submission import JobSpec, ShippedFile
from batch_submit.plan.uris import quoted_fragment

_REWRITTEN = ("`", "{{", "}}", "<LOG_DIR>", "<CPS>")
_REWRITTEN_IN_ENVIRONMENT = (*_REWRITTEN, "$", '"')
#: ``launch_container.sh`` links each file by ``ln -sf -- "place" "name"`` and escapes nothing (3.5.0,
#: ``UnixShellScriptBuilder.link``).
_REWRITTEN_IN_NAMES = (*_REWRITTEN, "$", '"', "\\", "\n")
_ENVIRONMENT_PREFIXES = ("spark.yarn.appMasterEnv.", "spark.executorEnv.")
_SECRET_OPTION = re.compile(r"-D(\S*?)=")
#: What may stand before ``=`` as a key; a sentence or a query that happens to hold the word is none.
_NAME = re.compile(r"[\w.:-]+")


def check_arguments(arguments: Sequence[str], *, quotes_all: bool = False) -> list[str]:
    """Problems of a user's script arguments, one line each, naming the position (from 1).

    Parameters
    ----------
    quotes_all
        The launcher writes arguments so that nothing rewrites them (`plan.rest.words`); spark-submit does not.
    """
    problems = []
    for position, argument in enumerate(arguments, start=1):
        problems += [
            f"argument {position} ({argument!r}) holds {token!r}, which YARN rewrites on the way into the container"
            for token in (() if quotes_all else _REWRITTEN)
            if token in argument
        ]
        key, assigned, _ = argument.partition("=")
        assigned_or_follows = assigned or (key.startswith("-") and position < len(arguments))
        if _NAME.fullmatch(key) and is_secret_name(key) and assigned_or_follows:
            problems.append(f"argument {position} ({key}) looks like a secret; arguments stand in launch_container.sh")
        elif mask("", argument) != argument:
            what = "a private key" if "PRIVATE KEY" in argument else "a password"
            problems.append(f"argument {position} holds {what}; arguments stand in launch_container.sh")
    return problems


def check_file_names(names: Iterable[str]) -> list[str]:
    """Problems of the names of shipped files, one line each: in the container, and where nodes keep them."""
    return [
        f"file name {name!r} holds {token!r}, which YARN rewrites on the way into the container"
        for name in dict.fromkeys(names)
        for token in _REWRITTEN_IN_NAMES
        if token in name
    ]


def check_names_for_spark_submit(spec: JobSpec) -> list[str]:
    """Problems of shipped files that spark-submit loses, one line each; over REST they arrive.

    Seen with Spark 4.3.0: an alias is decoded twice, so that no spelling of a blank in it is understood. A path of this
    host is a pattern (``resolveGlobPaths``): a name with brackets fits itself not. Of two files with one name in two
    folders it leaves one out, whatever their aliases (``Client.addDistributedUri``).
    """
    shipped = (*spec.py_files, *spec.files, *spec.archives, *spec.jars)  # an odd script goes under a name of ours
    problems = [
        f"alias {one.link!r} ({one.origin}) can't be handed to spark-submit: use letters, digits, dots, dashes"
        for one in shipped
        if one.aliased and quoted_fragment(one.link) != one.link
    ]
    names: dict[str, ShippedFile] = {}
    for one in (spec.script, *shipped):
        other = names.setdefault(posixpath.basename(one.path), one)
        if other.path != one.path:
            problems.append(
                f"{other.path} ({other.origin}) and {one.path} ({one.origin}) have one name in their folders, and"
                " spark-submit would lose one of them in spite of the aliases; rename one"
            )
    return problems + [
        f"file name {one.path!r} ({one.origin}) is a pattern to spark-submit, which would lose the file; rename it"
        for one in shipped
        if not one.is_remote and set(one.path) & set("*?[{")
    ]


def check_for_spark_submit(spec: JobSpec) -> list[str]:
    """Problems of a job that only spark-submit has, one line each; launcher ``auto`` lets them pass as long as it is
    not known that REST can't take the job."""
    return [*check_arguments(spec.arguments), *check_names_for_spark_submit(spec)]


def refuse_nul(spec: JobSpec) -> None:
    """No program can be given a text with a NUL in it: a C string ends there.

    Raises
    ------
    UsageError
        Naming what holds one.
    """
    found = [f"argument {number}" for number, one in enumerate(spec.arguments, start=1) if "\0" in one]
    found += [f"{key} ({one.origin})" for key, one in sorted(spec.conf.items()) if "\0" in f"{key}{one.value}"]
    found += [f"a file name ({one.origin})" for one in spec.shipped if "\0" in f"{one.path}{one.link}"]
    if found or "\0" in spec.name:
        raise UsageError("a text holds a NUL character", details=found or ["the name"], next_step="remove it")


def check_params(params: Mapping[str, object]) -> list[str]:
    """Problems of a built-in job's parameters, one line each: passwords in addresses, which its files would hold."""
    return [
        f"{key} holds a password; parameters are recorded and staged" for key in params if holds_password(params[key])
    ]


def check_conf(conf: Mapping[str, Sourced]) -> list[str]:
    """Problems of environment values and Java options in the Spark conf, one line each, naming key and source."""
    problems = []
    told = told_by(conf)
    for key, sourced in sorted(conf.items()):
        value = str(sourced.value)
        if key.startswith(_ENVIRONMENT_PREFIXES):
            problems += [
                f"{key} ({sourced.origin}) holds {token!r}, which YARN rewrites in environment values"
                for token in _REWRITTEN_IN_ENVIRONMENT
                if token in value
            ]
            if told(key) or holds_secret(key, value):
                problems.append(f"{key} ({sourced.origin}) is a secret; its value would stand in launch_container.sh")
        elif key.endswith("extraJavaOptions") or key.endswith("defaultJavaOptions"):
            named = [f"the secret -D{name}" for name in _SECRET_OPTION.findall(value) if is_secret(name) or told(name)]
            if not named and mask("", value) != value:
                named = ["a secret"]  # -Dproxy=http://user:x@host, -javaagent:x.jar=password=x
            problems += [
                f"{key} ({sourced.origin}) holds {one}; it would stand in launch_container.sh" for one in named
            ]
    return problems


def refuse_unsafe(problems: Sequence[str]) -> None:
    """Raise all problems at once.

    Raises
    ------
    UnsafeForContainer
        When there is any problem.
    """
    if not problems:
        return
    secret = any("launch_container.sh" in problem or "password" in problem for problem in problems)
    raise UnsafeForContainer(
        f"{len(problems)} value(s) can't be handed to the container unchanged and unseen",
        details=problems,
        next_step=(
            "keep secrets in a Hadoop credential provider (hadoop.security.credential.provider.path)"
            if secret
            else "put the value into a file and ship it with job_specific_config.<type>.files"
        ),
    )
