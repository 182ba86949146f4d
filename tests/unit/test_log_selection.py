"""Which log files a call means, and lines out of bytes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from batch_submit.backends.yarn_logs import _masters
from batch_submit.container_logs import ApplicationLogs, ContainerLogs, LogFile
from batch_submit.errors import NotFound, UsageError
from batch_submit.plan import log_lines
from batch_submit.plan.log_lines import as_text, compiled, last_lines, lines
from batch_submit.plan.log_selection import WantedLogs, attempt_of, role_of, select_logs
from batch_submit.render.logs import header, log_table, size_text

APP = "application_1700000000000_0042"


class Nobody:
    name = "nobody"

    def read(self, file: LogFile, *, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        raise AssertionError("selection reads nothing")


def cid(attempt: int, number: int, epoch: str = "") -> str:
    return f"container_{epoch}1700000000000_0042_{attempt:02d}_{number:06d}"


def logs(*files: tuple[str, str, int | None], drivers: tuple[str, ...] = (), **executors: str) -> ApplicationLogs:
    listed = tuple(ContainerLogs(LogFile(one, name, size, "h:1", 1000), Nobody()) for one, name, size in sorted(files))
    return ApplicationLogs(APP, listed, drivers, executors=executors)


TWO_ATTEMPTS = logs(
    *(
        (cid(attempt, number), name, 0 if name == "prelaunch.err" else 5)
        for attempt in (1, 2)
        for number in (1, 2, 12)
        for name in ("stdout", "stderr", "prelaunch.err", "launch_container.sh")
    ),
    drivers=(cid(2, 1), cid(1, 1)),
)


def chosen(wanted: WantedLogs, of: ApplicationLogs = TWO_ATTEMPTS) -> list[tuple[str, str]]:
    return [(one.file.container_id[-9:], one.file.name) for one in select_logs(of, wanted)]


def test_the_default_is_the_last_drivers_output() -> None:
    assert chosen(WantedLogs()) == [("02_000001", "stderr"), ("02_000001", "stdout")]
    assert chosen(WantedLogs(drivers=True)) == chosen(WantedLogs())
    assert chosen(WantedLogs(attempt=1)) == [("01_000001", "stderr"), ("01_000001", "stdout")]


def test_executors_of_all_attempts_or_of_one() -> None:
    wanted = WantedLogs(executors=True, files=("stdout",))
    assert [one for one, _ in chosen(wanted)] == ["01_000002", "01_000012", "02_000002", "02_000012"]
    both = WantedLogs(executors=True, drivers=True, attempt=2, files=("stdout",))
    assert [one for one, _ in chosen(both)] == ["02_000001", "02_000002", "02_000012"]


def test_containers_by_their_ending() -> None:
    assert {one for one, _ in chosen(WantedLogs(containers=("02_000012",)))} == {"02_000012"}
    assert {one for one, _ in chosen(WantedLogs(containers=(cid(1, 2),)))} == {"01_000002"}
    with pytest.raises(UsageError, match="fits 4 containers"):
        chosen(WantedLogs(containers=("2",)))
    with pytest.raises(NotFound, match="no container 99"):
        chosen(WantedLogs(containers=("99",)))
    with pytest.raises(NotFound):
        chosen(WantedLogs(containers=("02_000012",), attempt=1))


def test_files_by_name_and_pattern() -> None:
    assert chosen(WantedLogs(files=("prelaunch.*",))) == [("02_000001", "prelaunch.err")]
    assert len(chosen(WantedLogs(files=("*",)))) == 4
    assert len(chosen(WantedLogs(all_containers=True, all_files=True))) == 24
    with pytest.raises(NotFound, match="no file syslog") as caught:
        chosen(WantedLogs(files=("syslog",)))
    assert "launch_container.sh" in caught.value.details[0]


def test_what_failed_before_the_program_is_shown_and_other_names_where_there_is_no_output() -> None:
    failed = logs((cid(1, 1), "prelaunch.err", 9), (cid(1, 1), "stderr", 0), drivers=(cid(1, 1),))
    assert [name for _, name in chosen(WantedLogs(), failed)] == ["prelaunch.err", "stderr"]
    other = logs((cid(1, 1), "syslog", 9), (cid(1, 1), "directory.info", 1), drivers=(cid(1, 1),))
    assert [name for _, name in chosen(WantedLogs(), other)] == ["directory.info", "syslog"]


def test_files_that_are_old_are_left_out() -> None:
    assert chosen(WantedLogs(modified_after_ms=1001)) == []
    assert len(chosen(WantedLogs(modified_after_ms=1000))) == 2


def test_a_driver_without_logs_is_said() -> None:
    executors_only = logs((cid(1, 2), "stdout", 5), drivers=(cid(1, 1),))
    with pytest.raises(NotFound, match="no container that fits"):
        chosen(WantedLogs(), executors_only)
    with pytest.raises(NotFound) as caught:
        chosen(WantedLogs(attempt=3))
    assert "attempt 1, 2" in caught.value.details[0]


def test_only_drivers() -> None:
    assert WantedLogs().only_drivers and WantedLogs(drivers=True, all_containers=True).only_drivers
    for other in (WantedLogs(executors=True), WantedLogs(containers=("1",)), WantedLogs(all_containers=True)):
        assert not other.only_drivers


def test_attempts_roles_and_masters_with_an_epoch() -> None:
    assert attempt_of(cid(3, 1, "e17_")) == 3
    assert attempt_of("local-r1", ("local-r1", "local-r1.1")) == 2
    assert attempt_of("local-r1.1", ("local-r1", "local-r1.1")) == 1
    running = logs((cid(1, 1), "stdout", 1), drivers=(cid(1, 1),), **{cid(1, 2): "7"})
    assert [role_of(running, cid(1, number)) for number in (1, 2, 3)] == ["driver", "executor 7", "executor"]
    ids = [cid(1, 1), cid(1, 2), cid(2, 1, "e02_"), cid(2, 2, "e02_")]
    assert _masters(ids, "") == [cid(2, 1, "e02_"), cid(1, 1)]
    link = f"http://h:1/node/containerlogs/{cid(2, 2, 'e02_')}/alice"
    assert _masters(ids, link) == [cid(2, 2, "e02_"), cid(1, 1)]


# --- lines ------------------------------------------------------------------------------------------------------------


def reader(data: bytes, piece: int) -> log_lines.Reader:
    def read(start: int, length: int) -> Iterator[bytes]:
        part = data[start : start + length]
        return (part[at : at + piece] for at in range(0, len(part), piece))

    return read


@pytest.mark.parametrize("piece", [1, 3, 1000])
@pytest.mark.parametrize("spans", [(1 << 16, 1 << 23), (4, 16)])
@pytest.mark.parametrize(
    "data", [b"", b"\n", b"a", b"a\n", b"a\nbb\n\nccc", b"a\nbb\n\nccc\n", b"x" * 50, b"line\n" * 40]
)
@pytest.mark.parametrize("count", [0, 1, 2, 3, 30, 100])
def test_last_lines(
    data: bytes, count: int, piece: int, spans: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_lines, "_FIRST_SPAN", spans[0])
    monkeypatch.setattr(log_lines, "_LONGEST_SPAN", spans[1])
    whole = data.splitlines(keepends=True)
    wanted = b"".join(whole[-count:]) if count else b""
    assert b"".join(last_lines(reader(data, piece), len(data), count)) == wanted


def test_the_last_lines_of_a_long_file_do_not_read_all_of_it() -> None:
    data = b"a line of text\n" * 100_000
    asked: list[int] = []

    def read(start: int, length: int) -> Iterator[bytes]:
        asked.append(length)
        return iter([data[start : start + length]])

    assert b"".join(last_lines(read, len(data), 5)) == b"a line of text\n" * 5
    assert asked == [1 << 16]


@pytest.mark.parametrize("piece", [1, 2, 5, 100])
def test_lines(piece: int) -> None:
    data = b"one\n\xff two\n\nthree"
    pieces = [data[at : at + piece] for at in range(0, len(data), piece)]
    assert list(lines(pieces)) == [b"one\n", b"\xff two\n", b"\n", b"three"]
    assert list(lines(pieces, unfinished=False)) == [b"one\n", b"\xff two\n", b"\n"]


def test_a_line_without_end_comes_in_parts() -> None:
    pieces = (b"x" * 300_000 for _ in range(10))
    found = list(lines(pieces))
    assert sum(map(len, found)) == 3_000_000 and max(map(len, found)) <= log_lines.LONGEST_LINE
    ended = list(lines([b"y" * 3_000_000 + b"\nz"]))
    assert b"".join(ended) == b"y" * 3_000_000 + b"\nz" and max(map(len, ended)) <= log_lines.LONGEST_LINE


def test_patterns_see_characters_and_stand_bytes_that_are_none() -> None:
    line = b"\xff m\xc3\xa4rk\n"
    assert compiled("m.rk$").search(as_text(line)) and compiled("(?i)MÄRK").search(as_text(line))
    assert as_text(line).encode(errors="surrogateescape") == line[:-1]
    with pytest.raises(UsageError, match="not a regular expression"):
        compiled("(")


def test_the_table_fits_the_terminal() -> None:
    listed = select_logs(TWO_ATTEMPTS, WantedLogs(executors=True, files=("launch_container.sh",)))
    for width in (None, 120, 100, 80, 60, 40):
        table = log_table(TWO_ATTEMPTS, listed, width)
        assert len(table) == 5 and (width in (None, 40) or max(map(len, table)) <= width)
        assert (cid(1, 2) in table[1]) == (width in (None, 120)) and "01_000002" in table[1]
    assert table[0].split() == ["container", "role", "file", "size"]


def test_sizes_and_headers() -> None:
    assert [size_text(size) for size in (None, 0, 1023, 1024, 1_500_000, 3 << 40)] == [
        "-", "0 B", "1023 B", "1.0 KiB", "1.4 MiB", "3.0 TiB",
    ]  # fmt: skip
    assert header(LogFile("c", "stdout", 5, "h:1")) == "==> c/stdout (h:1, 5 B) <=="
    assert header(LogFile("local-r", "driver.log", None)) == "==> local-r/driver.log <=="
