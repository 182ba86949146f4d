"""Run records: every submission leaves a trace before anything is launched.

A cluster and a user have a ledger, ``$XDG_STATE_HOME/batch-submit/runs/<cluster>/<user>/``, because a run id is unique
within the two: one SQLite database (``ledger.db``), one JSON file per run as its export, and the runs' locks. One
database for all of them would save a few files and lose more: damage stays in one scope, what is taken over from a
cluster is one file's whole content, and users who share an account don't wait for each other.

``records`` is the model, ``protocol`` the seam, ``store`` the ledger itself, ``database`` the file (schema, migration,
journal), ``rows`` runs as rows, ``exports`` the JSON files, ``search`` what ``history`` asks, ``run_lock`` the locks;
``care`` and ``rebuild`` are for a ledger that was damaged.
"""

from batch_submit.ledger.protocol import Ledger, LedgerTooNew, LedgerUnwritable
from batch_submit.ledger.records import Run, StateSeen, Try
from batch_submit.ledger.store import SqliteLedger
from batch_submit.plan.run_states import TryState

__all__ = ["Ledger", "LedgerTooNew", "LedgerUnwritable", "Run", "SqliteLedger", "StateSeen", "Try", "TryState"]
