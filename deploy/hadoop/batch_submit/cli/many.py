"""``submit --many``: the runs of a file, read by the very flags of ``submit``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click
from click.core import ParameterSource

from batch_submit.errors import BatchSubmitError, UsageError
from batch_submit.operations.many import ManyOptions, Typed, check_all, read_file, submit_many
from batch_submit.plan.many import DEFAULT_PARALLEL, Flags, RunRequest, Value, grouped, read_runs
from batch_submit.services import build_services

#: Flags of the whole call; they are no flags of its runs.
_OF_THE_CALL = ("many", "max_parallel", "dry_run", "as_json", "format_name", "verbose")
#: What only one run can have.
_OF_ONE_RUN = {
    "run_id": "--run-id",
    "name": "--name",
    "date": "--date",
    "rest": "arguments after --",
    "wait": "--no-wait",
}


def many(context: click.Context, typed: Mapping[str, Any]) -> int:
    """Check all runs, then submit them.

    Raises
    ------
    UsageError
        With the problems of all runs, or of the call.
    """
    flags = _typed_flags(context)
    options = ManyOptions(
        typed["max_parallel"] or DEFAULT_PARALLEL,
        typed["dry_run"],
        typed["as_json"],
    )
    services = build_services(verbose=typed["verbose"])
    named = typed["many"]
    content = read_file(services, named, allow_open=bool(typed["allow_world_writable"]))
    requests, found = read_runs(content, named, flags)
    runs: list[Typed] = []
    wrong: list[tuple[RunRequest, list[str]]] = []
    for request in requests:
        try:
            runs.append(_as_typed(context.command, request))
        except click.ClickException as error:
            wrong.append((request, [error.format_message()]))
        except BatchSubmitError as error:
            wrong.append((request, error.lines()))
    check_all(services, runs, [*map(str, found), *grouped(wrong)])
    return submit_many(services, named, requests, options)


def _as_typed(command: click.Command, request: RunRequest) -> Typed:
    """What ``submit`` itself would make of a run's flags."""
    from batch_submit.cli.submit import submission_of

    parsed = command.make_context("submit", list(request.argv()))
    selection, call, _options = submission_of(parsed.params)
    return Typed(request, selection, call)


def _typed_flags(context: click.Context) -> Flags:
    """The flags of this call that are for each of its runs, as the file would name them."""
    flags: dict[str, Value] = {}
    for parameter in context.command.params:
        name = str(parameter.name)
        if context.get_parameter_source(name) is not ParameterSource.COMMANDLINE or name in _OF_THE_CALL:
            continue
        value = context.params.get(name, True)  # --insecure is no parameter of the command
        if name in _OF_ONE_RUN:
            if value not in ((), True):
                raise UsageError(
                    f"{_OF_ONE_RUN[name]} can't be said of many runs at once",
                    next_step=f"say it of each run in {context.params['many']}, or leave it out",
                )
            continue
        flag = max(parameter.opts, key=len).lstrip("-")
        if name == "conf":
            flags[flag] = {key: text for key, _, text in (pair.partition("=") for pair in value)}
        else:
            flags[flag] = value if isinstance(value, (bool, tuple)) else str(value)
    return flags
