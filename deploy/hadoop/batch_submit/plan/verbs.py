"""The verbs of the command line: which module holds each, and its line in the overview.

A table and not imports, because a command must load nothing but what it needs itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Verb:
    """One verb: the module below ``batch_submit.cli``, the command's name in it, and one line of help."""

    module: str
    attribute: str
    short_help: str


#: In the order of the overview: submit, look, act, set up.
VERBS: Mapping[str, Verb] = {
    "submit": Verb("submit", "submit_command", "Submit a job and wait for its end."),
    "wait": Verb("runs", "wait_command", "Wait for a run; the exit code is the run's."),
    "list": Verb("runs", "list_command", "Our applications, newest first."),
    "status": Verb("runs", "status_command", "Everything known of one application."),
    "kill": Verb("runs", "kill_command", "End applications and confirm it."),
    "config": Verb("config", "config_group", "The merged configuration, and its problems."),
    "init-hdfs": Verb("storage", "init_hdfs_command", "Put Spark's jars into HDFS once."),
    "demo-data": Verb("storage", "demo_data_command", "Write the flights demo data."),
}
