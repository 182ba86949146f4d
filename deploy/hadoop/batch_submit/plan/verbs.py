"""The verbs of the command line: which module holds each, and its line in the overview.

A table and not imports, because a command must load nothing but what it needs itself.
"""

from __future__ import annotations

from collections.abc import Mapping

from batch_submit.data_classes import dataclass


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
    "monitor": Verb("monitor", "monitor_command", "Follow a run: why it waits, what it does, how it ends."),
    "list": Verb("listing", "list_command", "Our applications, newest first."),
    "status": Verb("status", "status_command", "Everything known of one application."),
    "history": Verb("history", "history_command", "Runs on record on this host, newest first."),
    "show": Verb("history", "show_command", "Everything on record of one run."),
    "logs": Verb("logs", "logs_command", "What the containers wrote: print, follow, search, store."),
    "diagnose": Verb("diagnose", "diagnose_command", "Why a run failed: cause, evidence, remedy."),
    "report": Verb("report", "report_command", "A run's results as one HTML page."),
    "queues": Verb("queues", "queues_command", "Queues: shares, what is used, and by whom."),
    "nodes": Verb("queues", "nodes_command", "Nodes: state, health, memory, vcores."),
    "kill": Verb("acting", "kill_command", "End applications and confirm it."),
    "resolve": Verb("resolve", "resolve_command", "Decide about a run whose launch is uncertain."),
    "move": Verb("acting", "move_command", "Move an application to another queue."),
    "priority": Verb("acting", "priority_command", "Set the priority of an application."),
    "urls": Verb("status", "urls_command", "Where to look in a browser."),
    "doctor": Verb("doctor", "doctor_command", "Every problem of host and cluster at once."),
    "config": Verb("config", "config_group", "The merged configuration, and its problems."),
    "init-hdfs": Verb("storage", "init_hdfs_command", "Make or check the folders under the storage root."),
    "upload": Verb("transfer", "upload_command", "Copy a file or folder into the storage."),
    "download": Verb("transfer", "download_command", "Copy a file or folder out of the storage."),
    "ledger": Verb("ledger", "ledger_group", "This host's run records: check, rebuild."),
    "gc": Verb("storage", "gc_command", "Delete old records, claims and shared files."),
    "demo-data": Verb("storage", "demo_data_command", "Write the flights demo data."),
    "completion": Verb("completion", "completion_command", "Completion for bash, zsh or fish."),
}
