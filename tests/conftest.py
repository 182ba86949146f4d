"""What holds for every test.

Property tests draw the same examples every time, so that a red run stays red; `make test-full` draws new ones.
"""

from __future__ import annotations

import os
import signal

from hypothesis import settings

settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.register_profile("searching", deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))

#: A shell's background job ignores SIGINT, one below nohup SIGHUP; and so would all programs under test, which keep
#: what their caller ignores.
for _number, _handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, _handler)
