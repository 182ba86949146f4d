"""The errors of the jobs.

JobError
├── DataError      what was read does not serve: a missing path or column, no rows, one class
├── OutputError    a result can't be put where it should go
├── ModelError     a setting of the algorithm does not fit the data
└── GateError      a condition that the configuration set is not met; raised after the report is written

Each message says what, where, and what to do next. None is caught inside a job: the traceback ends the driver with a
non-zero code, which is how YARN learns that the run FAILED.
"""

from __future__ import annotations


class JobError(Exception):
    """A job can't go on."""


class DataError(JobError):
    """What was read does not serve the job."""


class OutputError(JobError):
    """A result can't be written where it should go."""


class ModelError(JobError):
    """A setting of the algorithm does not fit the data."""


class GateError(JobError):
    """A condition set by the configuration is not met: a gate of the evaluation, a quality check that says fail.

    Raised after the job's report is written, so that what was found can be read there.
    """
