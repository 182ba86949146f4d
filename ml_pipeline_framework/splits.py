"""Who goes where: test set, validation set and folds as pure functions of a row's key, or of its time.

``randomSplit`` and random numbers per row depend on how rows lie in partitions: the same seed on the same rows in 4 and
in 8 partitions gives two test sets that have only chance in common. A hash of the key does not.
"""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql.types import DataType, DateType, NumericType

from ml_pipeline_framework.schemas import TEXT, kind_of, quoted

_STEPS = 1_000_000  # shares are cut to a millionth
HASH, TIME, GROUP = "hash", "time", "group"
#: Rows, about, that the cut-offs of a time split are taken from: exact percentiles of a sample by key.
TIME_SAMPLE_ROWS = 500_000


def key_hash(key_columns: Sequence[str], seed: int, purpose: str) -> Column:
    """Return a 64-bit hash of the key, another one for each seed and purpose.

    Keys are hashed as text, so that a number read as int or as long gives the same answer, and a null has a text of its
    own: ``xxhash64`` skips nulls, which would make (null, a) and (a, null) one key.
    """
    texts = [F.coalesce(F.concat(F.lit("="), F.col(quoted(name)).cast("string")), F.lit("")) for name in key_columns]
    return F.xxhash64(F.lit(f"{purpose}:{seed}"), *texts)


def within_share(key_columns: Sequence[str], seed: int, share: float, purpose: str) -> Column:
    """Return whether a row belongs to a part that holds a share of all keys; each purpose draws anew."""
    return F.pmod(key_hash(key_columns, seed, purpose), F.lit(_STEPS)) < F.lit(round(share * _STEPS))


def in_test(key_columns: Sequence[str], seed: int, test_size: float) -> Column:
    """Return whether a row belongs to the test set: a share `test_size` of all keys."""
    return within_share(key_columns, seed, test_size, "test")


def fold_of(key_columns: Sequence[str], seed: int, folds: int) -> Column:
    """Return the fold of a row, 0 to `folds` - 1; independent of the test set."""
    return F.pmod(key_hash(key_columns, seed, "fold"), F.lit(folds)).cast("int")


# --- by time ----------------------------------------------------------------------------------------------------------


def time_number(name: str, data_type: DataType) -> Column:
    """Return a time column as a double that grows with time; null where it is null or can't be read.

    Dates are days, timestamps microseconds since 1970 (exact in a double until the year 2255), numbers themselves.
    Texts are read as timestamps.
    """
    column = F.col(quoted(name))
    if isinstance(data_type, NumericType):
        return column.cast("double")
    if isinstance(data_type, DateType):
        return F.datediff(column, F.lit("1970-01-01").cast("date")).cast("double")
    if kind_of(data_type) == TEXT:
        column = F.expr(f"try_cast({quoted(name)} AS timestamp)")
    return F.unix_micros(column.cast("timestamp")).cast("double")


def time_text(number: Column, data_type: DataType) -> Column:
    """Return what `time_number` gave in a form that a person reads."""
    if isinstance(data_type, NumericType):
        return number.cast("string")
    if isinstance(data_type, DateType):
        return F.date_add(F.lit("1970-01-01").cast("date"), F.ceil(number).cast("int")).cast("string")
    return F.timestamp_micros(number.cast("long")).cast("string")


def time_shares(test_size: float, parts: int) -> list[float]:
    """Return the shares of the rows, in time order, at which cuts are made: between equal parts, then the test set's.

    With `parts` blocks of training rows, block 0 is the oldest.
    """
    train = 1.0 - test_size
    return [train * part / parts for part in range(1, parts)] + [train]


def block_of(time: Column, cuts: Sequence[float]) -> Column:
    """Return how many cuts lie at or before a row's time: rows of one time are never parted."""
    block = F.lit(0)
    for cut in cuts:
        block = block + (time >= F.lit(cut)).cast("int")
    return block
