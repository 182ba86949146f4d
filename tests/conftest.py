"""What holds for every test.

Property tests draw the same examples every time, so that a red run stays red; `make test-full` draws new ones.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.register_profile("searching", deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))

#: A shell's background job ignores SIGINT, one below nohup SIGHUP; and so would all programs under test, which keep
#: what their caller ignores.
for _number, _handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, _handler)

#: How long one test may take, its fixtures included, in seconds: by its folder, by a marker of it where that is longer.
#: Generous, for a machine that does five other things: it is there so that a hang ends, and by the name of its test.
LIMITS_S = {"unit": 120, "process": 300, "contracts": 300, "spark": 900, "cluster": 900}
MARKED_LIMITS_S = {"full": 1800, "soak": 4 * 3600}
#: `make test-full` draws twenty times as many examples.
SEARCHING = 20 if os.environ.get("HYPOTHESIS_PROFILE") == "searching" else 1


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Give every test its limit, where the plugin for it is installed (`make setup`)."""
    if not config.pluginmanager.hasplugin("timeout"):
        return
    for item in items:
        if item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(limit_s(item)))


def limit_s(item: pytest.Item) -> float:
    """Of one test."""
    folder = item.path.relative_to(Path(__file__).parent).parts[0]
    marked = [limit for name, limit in MARKED_LIMITS_S.items() if item.get_closest_marker(name)]
    more = SEARCHING if folder == "unit" else 1
    return max([LIMITS_S.get(folder, max(LIMITS_S.values())) * more, *marked])
