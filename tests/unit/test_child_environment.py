"""What spark-submit is started with."""

from __future__ import annotations

import pytest

from batch_submit.operations.context import child_environment


@pytest.mark.parametrize(
    ("given", "lc_all"),
    [
        ({}, "C.UTF-8"),  # cron
        ({"LANG": "C"}, "C.UTF-8"),
        ({"LANG": "de_DE.UTF-8", "LC_ALL": "POSIX"}, "C.UTF-8"),
        ({"LANG": "de_DE.UTF-8"}, None),
        ({"LANG": "C", "LC_CTYPE": "en_US.utf8"}, None),
        ({"LC_ALL": "en_US.UTF-8"}, "en_US.UTF-8"),
    ],
)
def test_java_always_reads_arguments_as_utf_8(given: dict[str, str], lc_all: str | None) -> None:
    made = child_environment(given)
    assert made.get("LC_ALL") == lc_all
    assert made["PATH"]
