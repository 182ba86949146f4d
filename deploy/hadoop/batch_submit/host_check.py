"""Whether this Python can run the program at all. Any Python 3 can parse this file: no newer syntax, stdlib only."""

import importlib.util
import sys

#: Module -> the package that brings it; what the base install needs.
_NEEDED = (("click", "click"), ("yaml", "PyYAML"), ("requests", "requests"), ("hdfs", "hdfs"), ("rich", "rich"))
_OLDEST = (3, 10)
_NOT_READY = 3


def check_host():
    # type: () -> None
    """End the process with exit code 3 and one clear line when Python is too old or a package is missing."""
    if tuple(sys.version_info[:2]) < _OLDEST:
        found = ".".join(str(part) for part in sys.version_info[:3])
        _refuse("Python 3.10 or newer is needed, and " + str(sys.executable) + " is " + found, "")
    missing = [package for module, package in _NEEDED if importlib.util.find_spec(module) is None]
    if missing:
        what = "package " + missing[0] + " is" if len(missing) == 1 else "packages " + ", ".join(missing) + " are"
        message = "the Python " + what + " not installed for " + str(sys.executable)
        _refuse(message, "make setup, or pip install ., or ")


def _refuse(message, remedies):
    # type: (str, str) -> None
    sys.stderr.write("error: " + message + "\n")
    sys.stderr.write("  next: " + remedies + "BATCH_SUBMIT_PYTHON=<a Python that has what is needed>\n")
    sys.exit(_NOT_READY)
