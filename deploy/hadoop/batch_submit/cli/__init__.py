"""The command line: parse, call one operation, render the error, exit with its code."""

from __future__ import annotations

import errno
import gc
import importlib
import sys
from collections.abc import Callable, Sequence

import click

from batch_submit import __version__
from batch_submit.adapters.terminal import LOGGER, Terminal, fill_closed_descriptors, silence
from batch_submit.adapters.this_call import program_name
from batch_submit.errors import BatchSubmitError, ExitCode
from batch_submit.plan.verbs import VERBS

#: By this variable a shell asks for completions (click's protocol); the same for every door.
COMPLETE_VARIABLE = "_BATCH_SUBMIT_COMPLETE"

_CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 110}


class _LazyGroup(click.Group):
    """Loads a verb's module when the verb is called; the overview needs none of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        verb = VERBS.get(cmd_name)
        if verb is None:
            return None
        command = getattr(importlib.import_module(f"batch_submit.cli.{verb.module}"), verb.attribute)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """A verb that is none is answered with the nearest one."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            import difflib  # for a message; it takes a while to load

            close = difflib.get_close_matches(args[0], VERBS, 1)
            if not close:
                raise
            raise click.UsageError(f"{error.message} Did you mean {close[0]}?", ctx) from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, verb.short_help) for name, verb in VERBS.items()])


@click.group(cls=_LazyGroup, context_settings=_CONTEXT)
@click.version_option(__version__, prog_name="batch-submit")
def group() -> None:
    """Submit Spark jobs to Hadoop/YARN, and see what became of them.

    \b
    batch-submit submit -t training -q ml-queue     submit and wait; the exit code is the run's
    batch-submit submit -t training --dry-run       show the spark-submit command
    batch-submit list                               our applications
    batch-submit monitor RUN                        why it waits, what it does, how it ends
    batch-submit diagnose RUN                       why it failed, and the remedy
    batch-submit doctor                             every problem of this host and the cluster
    batch-submit config show -t training --origin   where every value comes from
    """


def run(arguments: Sequence[str], command: Callable[..., object]) -> int:
    """Run a command and turn every outcome into an exit code; an error is told once, on stderr."""
    fill_closed_descriptors()
    program = program_name()
    terminal = Terminal(program=program)
    try:
        result = _call(command, arguments, terminal, program)
        if sys.stdout is not None:
            sys.stdout.flush()
        return int(result) if isinstance(result, int) else ExitCode.SUCCEEDED
    except click.ClickException as error:
        return _usage(error, program, terminal)
    except (click.Abort, KeyboardInterrupt):
        terminal.error(["interrupted"])
        return ExitCode.INTERRUPTED
    except BatchSubmitError as error:
        terminal.error(error.lines())
        return error.exit_code
    except (BrokenPipeError, SystemExit) as error:
        # Nobody reads stdout any more; where that happens within a command, click makes it an exit with status 1.
        if isinstance(error, SystemExit) and error.code != 1:
            raise
        silence(sys.stdout)
        return ExitCode.BROKEN_PIPE
    except Exception as error:
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            return _disk_full(error, terminal)
        LOGGER.debug("internal error", exc_info=True)  # debug: the log file has it, and stderr with --verbose
        terminal.error(
            [f"internal error: {error!r}", "  next: run it again with --verbose and report it with the log file"]
        )
        return ExitCode.INTERNAL
    finally:
        _stop_logging()
        _settle_stdout()


def _call(command: Callable[..., object], arguments: Sequence[str], terminal: Terminal, program: str) -> object:
    """Run it; a group without a command shows its help, which click raises as an error."""
    try:
        return command(list(arguments), prog_name=program, standalone_mode=False, complete_var=COMPLETE_VARIABLE)
    except click.UsageError as error:
        if error.ctx is None or error.format_message() != error.ctx.get_help():
            raise
        terminal.answer(error.format_message())
        return ExitCode.SUCCEEDED


def _usage(error: click.ClickException, program: str, terminal: Terminal) -> int:
    context = getattr(error, "ctx", None)
    verb = context.command_path.removeprefix(program).strip() if context is not None else ""
    usage = " ".join(word for word in (program, verb, "--help") if word)
    terminal.error([error.format_message(), f"  next: {usage}"])
    return ExitCode.USAGE


def _stop_logging() -> None:
    """Close the log file, if this command has opened one."""
    started = sys.modules.get("batch_submit.adapters.run_logging")
    if started is not None:
        started.stop_logging()


def _settle_stdout() -> None:
    """What stdout still holds is written now, or never: a failing flush at the interpreter's end is exit code 120."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        silence(sys.stdout)


def _disk_full(error: OSError, terminal: Terminal) -> int:
    what = str(error.filename) if error.filename else "stdout, or a file of this program,"
    terminal.error([f"no space left on device: {what} can't be written", "  next: free some space and run it again"])
    return ExitCode.HOST_NOT_READY


def main() -> None:
    """The console script."""
    _end(run(sys.argv[1:], group.main))


def submit_job_main() -> None:
    """``submit_job.py TYPE [options]``: the same as ``submit -t TYPE``, with ``--config`` for ``-c``."""
    arguments = sys.argv[1:]
    if arguments and not arguments[0].startswith("-"):
        arguments = ["-t", *arguments]
    _end(run(["submit", *arguments], group.main))


def _end(code: int) -> None:
    """End the process. The interpreter looks for garbage once more at its end, through all that was ever loaded, which
    took a seventh of a submission's processor time: without effect, for the system takes the memory back anyway.
    """
    gc.freeze()
    sys.exit(code)


__all__ = ["group", "main", "submit_job_main"]
