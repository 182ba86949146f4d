#!/usr/bin/env python3
"""The Python door: ``python3 submit_job.py TYPE --config FILE ...`` is ``batch-submit submit -t TYPE -c FILE ...``."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]

from batch_submit.host_check import check_host  # noqa: E402  (the path above makes it importable)

check_host()  # before anything that needs a package

from batch_submit.cli import submit_job_main  # noqa: E402

if __name__ == "__main__":
    submit_job_main()
