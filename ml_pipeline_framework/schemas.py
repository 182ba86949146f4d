"""What a schema tells: kinds of columns, missing columns, the columns that an expression reads."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from pyspark.errors import AnalysisException, ParseException
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import (
    BooleanType,
    CharType,
    DataType,
    DateType,
    NumericType,
    StringType,
    TimestampNTZType,
    TimestampType,
    VarcharType,
)

from ml_pipeline_framework.errors import DataError

NUMBER, BOOLEAN, TEXT, TIME, OTHER = "number", "boolean", "text", "time", "other"


def kind_of(data_type: DataType) -> str:
    """Return what a column of this type can be used as: number, boolean, text, time or other."""
    if isinstance(data_type, NumericType):
        return NUMBER
    if isinstance(data_type, BooleanType):
        return BOOLEAN
    if isinstance(data_type, (StringType, CharType, VarcharType)):
        return TEXT
    if isinstance(data_type, (DateType, TimestampType, TimestampNTZType)):
        return TIME
    return OTHER


def quoted(name: str) -> str:
    """Return a column's name so that dots and spaces in it are part of the name."""
    return "`" + name.replace("`", "``") + "`"


def require_columns(frame: DataFrame, names: Iterable[str], said_by: str, where: str) -> None:
    """Check that columns exist.

    Parameters
    ----------
    frame : DataFrame
    names : iterable of str
        The columns wanted, spelt as in the data.
    said_by : str
        The parameter that names them.
    where : str
        Where the data came from.

    Raises
    ------
    DataError
        Naming every missing column, the nearest present one, and all that there are.
    """
    missing = [name for name in names if name not in frame.columns]
    if not missing:
        return
    close = {name: difflib.get_close_matches(name, frame.columns, 1, 0.6) for name in missing}
    said = ", ".join(f"{name!r}" + (f" (did you mean {close[name][0]!r}?)" if close[name] else "") for name in missing)
    raise DataError(f"{where} has no column {said}, named in {said_by}; it has: {', '.join(frame.columns)}")


def columns_read_by(frame: DataFrame, expression: str, said_by: str, where: str) -> tuple[str, ...]:
    """Return the columns of `frame` that a SQL expression reads, in the frame's order.

    Spark's own analysis answers, so that a name inside a text or a function's name is not taken for a column.

    Raises
    ------
    DataError
        When the expression can't be read or names a column that is not there.
    """
    try:
        plan = frame.select(F.expr(expression))._jdf.queryExecution().analyzed()
    except (AnalysisException, ParseException) as error:
        reason = str(error).strip().split("\n")[0]
        raise DataError(
            f"{said_by} {expression!r} does not work on {where}: {reason}; it has: {', '.join(frame.columns)}"
        ) from error
    names = set()
    attributes = plan.references().iterator()
    while attributes.hasNext():
        names.add(attributes.next().name())
    # The plan has each name as the expression spells it, and by default Spark does not mind the case.
    exact = str(frame.sparkSession.conf.get("spark.sql.caseSensitive", "false")).lower() == "true"
    folded = names if exact else {name.casefold() for name in names}
    return tuple(name for name in frame.columns if (name if exact else name.casefold()) in folded)
