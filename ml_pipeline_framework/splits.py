"""Who goes where: test set and folds as pure functions of a row's key.

``randomSplit`` and random numbers per row depend on how rows lie in partitions: the same seed on the same rows in 4 and
in 8 partitions gives two test sets that have only chance in common. A hash of the key does not.
"""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column
from pyspark.sql import functions as F

from ml_pipeline_framework.schemas import quoted

_STEPS = 1_000_000  # shares are cut to a millionth


def key_hash(key_columns: Sequence[str], seed: int, purpose: str) -> Column:
    """Return a 64-bit hash of the key, another one for each seed and purpose.

    Keys are hashed as text, so that a number read as int or as long gives the same answer, and a null has a text of its
    own: ``xxhash64`` skips nulls, which would make (null, a) and (a, null) one key.
    """
    texts = [F.coalesce(F.concat(F.lit("="), F.col(quoted(name)).cast("string")), F.lit("")) for name in key_columns]
    return F.xxhash64(F.lit(f"{purpose}:{seed}"), *texts)


def in_test(key_columns: Sequence[str], seed: int, test_size: float) -> Column:
    """Return whether a row belongs to the test set: a share `test_size` of all keys."""
    share = F.lit(round(test_size * _STEPS))
    return F.pmod(key_hash(key_columns, seed, "test"), F.lit(_STEPS)) < share


def fold_of(key_columns: Sequence[str], seed: int, folds: int) -> Column:
    """Return the fold of a row, 0 to `folds` - 1; independent of the test set."""
    return F.pmod(key_hash(key_columns, seed, "fold"), F.lit(folds)).cast("int")
