"""What a shell completes: scripts for it, and the runs of this host's records. Asks no server."""

from __future__ import annotations

from batch_submit.ledger import Run
from batch_submit.services import Services

#: A TAB must be answered at once: so many records are read, the newest.
_MOST_RECORDS = 200
#: A name may hold anything, and a shell takes what is completed as if it were typed.
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._:@%+=,/-")


def known_runs(services: Services) -> list[Run]:
    """The newest runs on record of every cluster and user of this account, newest first."""
    runs = [run for _cluster, _user, ledger in services.ledgers() for run in ledger.newest(_MOST_RECORDS)]
    return sorted(runs, key=lambda run: run.created_at, reverse=True)[:_MOST_RECORDS]


def run_words(services: Services, typed: str) -> list[tuple[str, str]]:
    """Words that begin as typed, each with a line about it: names of runs, then run ids, then application ids."""
    words: dict[str, str] = {}
    runs = known_runs(services)
    for run in runs:
        words.setdefault(run.name, f"{run.job_type} of {run.created_at}")
    for run in runs:
        words.setdefault(run.run_id, run.name)
    for run in runs:
        for one in run.tries:
            if one.application_id:
                words.setdefault(one.application_id, run.name)
    fitting = (word for word in words if word and word.startswith(typed) and _PLAIN.issuperset(word))
    return [(word, words[word]) for word in fitting]


def for_a_path(script: str, shell: str, name: str, program: str) -> str:
    """A completion script for a program that is called by its path and is not on PATH.

    Bash calls what was typed. Zsh and fish call by name, and zsh does nothing for a name that it can't find.
    """
    if shell == "bash":
        return script
    lines = [line for line in script.splitlines() if f"$+commands[{name}]" not in line]
    return (
        "\n".join(lines)
        .replace(f"_complete {name}", f"_complete {program}")
        .replace(f"(commandline -t) {name}", f"(commandline -t) {program}")
    )
