"""``python -m batch_submit``, and the file that ``batch_submit.sh`` runs by its path."""

import gc
import sys
from pathlib import Path

if not __package__:
    # Run by path: the first entry of sys.path is this package's own folder, whose modules must not become top-level.
    edge = Path(__file__).resolve().parents[1]
    sys.path[:1] = [str(edge), str(edge.parents[1])]

# Loading modules makes many objects and no garbage: looking for it as often as Python does takes a tenth of `list`.
gc.set_threshold(50000, 20, 20)

from batch_submit.host_check import check_host  # noqa: E402

check_host()  # before anything that needs a package

from batch_submit.cli import main  # noqa: E402

if __name__ == "__main__":
    main()
