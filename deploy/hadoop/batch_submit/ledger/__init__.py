"""Run records: every submission leaves a trace before anything is launched.

A cluster and a user have a ledger, ``$XDG_STATE_HOME/batch-submit/runs/<cluster>/<user>/``, because a run id is unique
within the two: one SQLite database (``ledger.db``), one JSON file per run as its export, and the runs' locks. One
database for all of them would save a few files and lose more: damage stays in one scope, what is taken over from a
cluster is one file's whole content, and users who share an account don't wait for each other.

``records`` is the model, ``store`` the ledger itself, ``database`` the file (schema, migration, journal), ``exports``
the JSON files, ``search`` what ``history`` asks, ``run_lock`` the locks.
"""

from batch_submit.ledger.records import Run, StateSeen, Try, TryState
from batch_submit.ledger.store import Ledger, LedgerTooNew, LedgerUnwritable, SqliteLedger

__all__ = ["Ledger", "LedgerTooNew", "LedgerUnwritable", "Run", "SqliteLedger", "StateSeen", "Try", "TryState"]
