"""The command line: parse, call one verb, print its answer."""

from __future__ import annotations

import argparse
import json
import shlex
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from devcluster_lib import jars, kerberos, state, verbs
from devcluster_lib.errors import DevClusterError, Interrupted, UsageError
from devcluster_lib.layout import (
    DEFAULT_DIR,
    MAX_NODEMANAGERS,
    MAX_PORT_OFFSET,
    PORT_OFFSET_STEP,
    PROFILES,
    SITES,
    Cluster,
)
from devcluster_lib.startup import tail

NOT_READY = 3
DESCRIPTION = "A real single-host Hadoop: HDFS, YARN and the JobHistoryServer, one JVM per daemon."
EPILOG = """\
exit codes: 0 done (status: all daemons ready) - 1 a daemon failed, its log's end is shown - 2 usage -
3 the host is not ready (Java, Maven, port, disk), or status found a daemon not ready - 128+N ended by signal N
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; return the exit code."""
    options = _parser().parse_args(arguments)
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, _interrupt)
    try:
        code = options.verb(options)
        sys.stdout.flush()
        return code
    except Interrupted as interruption:
        verbs.say(f"ended by {signal.Signals(interruption.signum).name}")
        return interruption.exit_code
    except DevClusterError as error:
        verbs.say(str(error))
        return error.exit_code
    except BrokenPipeError:
        sys.stderr.close()  # nobody reads: end in silence, also at the interpreter's own flush
        return 128 + signal.SIGPIPE
    except OSError as error:
        verbs.say(f"the host refuses: {error}")
        return NOT_READY


def _interrupt(signum: int, _frame: object) -> None:
    # Cleaning up takes seconds: a second signal must not stop it half-way.
    for other in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(other, signal.SIG_IGN)
    raise Interrupted(signum)


def _place() -> argparse.ArgumentParser:
    """The options of every verb: which cluster is meant."""
    place = argparse.ArgumentParser(add_help=False)
    place.add_argument(
        "--dir", type=Path, default=DEFAULT_DIR, metavar="D", help="work folder (default: .devcluster of the checkout)"
    )
    place.add_argument(
        "--port-offset", type=_port_offset, metavar="K",
        help=f"added to every port, a multiple of {PORT_OFFSET_STEP} up to {MAX_PORT_OFFSET} "
        "(default: what the folder's cluster has, else 0)",
    )  # fmt: skip
    return place


def _parser() -> argparse.ArgumentParser:
    place = _place()
    parser = argparse.ArgumentParser(prog="devcluster", description=DESCRIPTION, epilog=EPILOG, allow_abbrev=False)
    subparsers = parser.add_subparsers(required=True, metavar="VERB")

    def verb(name: str, run: Any, text: str) -> argparse.ArgumentParser:
        sub = subparsers.add_parser(name, parents=[place], help=text, description=text, allow_abbrev=False)
        sub.set_defaults(verb=run)
        return sub

    up = verb("up", _up, "start what does not run; return when every daemon is ready")
    _add_up_options(up)
    _add_timeout(up)
    down = verb("down", _down, "end the cluster's processes; HDFS and YARN's state stay")
    down.add_argument("--wipe", action="store_true", help="also delete everything the cluster wrote")
    status = verb("status", _status, "what runs and is ready; exit code 0 when all is, else 3")
    status.add_argument("--json", action="store_true", help="for programs")
    verb("env", _env, 'print export lines: eval "$(devcluster env)"')
    logs = verb("logs", _logs, "print the end of a daemon's log")
    logs.add_argument("-n", "--lines", type=int, default=100, metavar="N", help="how many lines (default: 100)")
    logs.add_argument("-f", "--follow", action="store_true", help="go on with what is added")
    restart = verb("restart", _restart, "end a daemon in good order and start it again")
    _add_timeout(restart)
    failover = verb("failover", _failover, "make another ResourceManager the active one (up --ha)")
    failover.add_argument("--to", metavar="DAEMON", help="which one (default: the one that is not active)")
    _add_timeout(failover)
    kill = verb("kill", _kill, "end a daemon with SIGKILL, as a crash would")
    for sub in (logs, restart, kill):
        sub.add_argument("daemon", metavar="DAEMON", help="a name that status lists, such as nodemanager-2")
    verb("jars", _jars, "fetch Hadoop's jars only, print their folder")
    return parser


def _add_up_options(up: argparse.ArgumentParser) -> None:
    """What the folder's cluster is made of; what is not said stays as it is."""
    up.add_argument("--nodemanagers", type=_nodemanagers, metavar="N", help=f"1 to {MAX_NODEMANAGERS} (default: 1)")
    up.add_argument(
        "--set", type=_setting, action="append", default=[], metavar="FILE:KEY=VALUE", dest="settings",
        help=f"a Hadoop property, kept for this folder until it is wiped; may be repeated; FILE: {', '.join(SITES)}",
    )  # fmt: skip
    up.add_argument(
        "--ha", action=argparse.BooleanOptionalAction, default=None,
        help="two ResourceManagers, one of them active (default: as it is in this folder, at first one)",
    )  # fmt: skip
    up.add_argument(
        "--profile", choices=PROFILES,
        help="secure: Kerberos for HDFS, YARN and their web servers, with a KDC of its own; tls: secure, and HTTPS on "
        "every web server, with a CA of its own (default: as it is in this folder, at first simple)",
    )  # fmt: skip


def _add_timeout(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--timeout", type=float, default=120.0, metavar="S", help="seconds for all daemons to be ready (default: 120)"
    )


def _port_offset(text: str) -> int:
    offset = int(text) if text.isdecimal() else -1
    if offset % PORT_OFFSET_STEP or not 0 <= offset <= MAX_PORT_OFFSET:
        raise argparse.ArgumentTypeError(f"not a multiple of {PORT_OFFSET_STEP} from 0 to {MAX_PORT_OFFSET}: {text}")
    return offset


def _nodemanagers(text: str) -> int:
    count = int(text) if text.isdecimal() else -1
    if not 1 <= count <= MAX_NODEMANAGERS:
        raise argparse.ArgumentTypeError(f"not from 1 to {MAX_NODEMANAGERS}: {text}")
    return count


def _setting(text: str) -> tuple[str, str, str]:
    site, _, rest = text.partition(":")
    key, equals, value = rest.partition("=")
    if not equals or not key or any(character.isspace() for character in key):
        raise argparse.ArgumentTypeError(f"not FILE:KEY=VALUE: {text}")
    if site not in SITES:
        raise argparse.ArgumentTypeError(f"no file {site!r}; there are {', '.join(SITES)}")
    return site, key, value


def _directory(options: argparse.Namespace) -> Path:
    # Resolved: the same folder has one name, in the processes' mark too.
    return options.dir.expanduser().resolve()


def _cluster(options: argparse.Namespace) -> Cluster:
    """The configured cluster; a --port-offset that is not its own is a mix-up of two clusters."""
    cluster = state.require(_directory(options))
    if options.port_offset not in (None, cluster.port_offset):
        raise UsageError(f"the cluster in {cluster.dir} has --port-offset {cluster.port_offset}: give its own --dir")
    kerberos.be_client(cluster)
    return cluster


def _self(options: argparse.Namespace) -> str:
    """How to call this program again for the same folder."""
    directory = _directory(options)
    place = "" if directory == DEFAULT_DIR else f" --dir {shlex.quote(str(directory))}"
    return f"{shlex.quote(sys.argv[0])} env{place}"


def _up(options: argparse.Namespace) -> int:
    settings: dict[str, dict[str, str]] = {}
    for site, key, value in options.settings:
        settings.setdefault(site, {})[key] = value
    wishes = verbs.Wishes(options.port_offset, options.nodemanagers, settings, options.ha, options.profile)
    cluster = verbs.up(_directory(options), wishes, options.timeout)
    for daemon in cluster.resourcemanagers():
        print(daemon.url)
    print(f'eval "$({_self(options)})"')
    return 0


def _down(options: argparse.Namespace) -> int:
    if state.load(_directory(options)) is not None:
        _cluster(options)
    verbs.down(_directory(options), options.wipe)
    return 0


def _status(options: argparse.Namespace) -> int:
    answer = verbs.status(_cluster(options))
    if options.json:
        print(json.dumps(answer, indent=2))
    else:
        for name, row in answer["daemons"].items():
            readiness = "ready" if row["ready"] else row["last_seen"] or "-"
            if answer["ha"] and row["ready"] and "haState" in row:
                readiness += f" ({row['haState'].lower()})"
            print(f"{name:<17} {row['state']:<8} {row['pid'] or '-':>8}  {row['url']:<23} {readiness}")
    return 0 if answer["ready"] else NOT_READY


def _env(options: argparse.Namespace) -> int:
    print(verbs.client_exports(_cluster(options)), end="")
    return 0


def _logs(options: argparse.Namespace) -> int:
    cluster = _cluster(options)
    log = cluster.log_file(verbs.named_daemon(cluster, options.daemon).name)
    text = tail(log, max(1, options.lines))
    if text:
        print(text)
    else:
        verbs.say(f"{log} is empty or missing: {options.daemon} has not run")
    if options.follow:
        verbs.follow(cluster, options.daemon, lambda: time.sleep(0.3))
    return 0


def _restart(options: argparse.Namespace) -> int:
    verbs.restart(_cluster(options), options.daemon, options.timeout)
    return 0


def _failover(options: argparse.Namespace) -> int:
    print(verbs.failover(_cluster(options), options.to, options.timeout).url)
    return 0


def _kill(options: argparse.Namespace) -> int:
    verbs.kill(_cluster(options), options.daemon)
    return 0


def _jars(options: argparse.Namespace) -> int:
    print(jars.resolve())
    return 0
