"""
The C{filesvc} command: C{filesvc passwd}, C{filesvc check}, C{filesvc status} and C{filesvc systemd}. The server itself is
C{twistd filesvc}.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from getpass import getpass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filesvc import __version__
from filesvc.auth.smbpasswd import remove_user, set_password
from filesvc.config import ConfigError, describe, notes
from filesvc.configfile import read

if TYPE_CHECKING:
    from collections.abc import Sequence

_HIDDEN_FROM_THE_SERVICE = ("/home", "/root", "/run/user", "/tmp", "/var/tmp")  # noqa: S108 names only
"""What C{ProtectHome} and C{PrivateTmp} in C{filesvc.service} hide."""


class Refused(Exception):
    """What was asked for cannot be done; the message tells why."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status: 0, 1 for a mistake in what it was given, 2 for one in its usage."""
    chosen = _parser().parse_args(arguments)
    try:
        chosen.run(chosen)
    except (Refused, ConfigError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="filesvc", description="Tools for an SMB file server. To start the server: twistd -n filesvc", allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=f"filesvc {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    passwd = commands.add_parser("passwd", help="add, change or delete a user in an smbpasswd file", description=_passwd.__doc__)
    passwd.add_argument("file", metavar="FILE", help="the smbpasswd(5) file; made if it is not there")
    passwd.add_argument("user", metavar="USER")
    how = passwd.add_mutually_exclusive_group()
    how.add_argument("--stdin", action="store_true", help="read the password from one line of standard input")
    how.add_argument("--delete", action="store_true", help="delete the user")
    passwd.set_defaults(run=_passwd)

    check = commands.add_parser("check", help="check a configuration file", description=_check.__doc__)
    check.add_argument("config", metavar="CONFIG", help="the TOML file, as for twistd filesvc --config")
    check.set_defaults(run=_check)

    status = commands.add_parser("status", help="show what a running server does", description=_status.__doc__)
    where = status.add_mutually_exclusive_group()
    where.add_argument("endpoint", metavar="ENDPOINT", nargs="?", help="where it tells its status, such as unix:/run/filesvc/status")
    where.add_argument("--config", metavar="FILE", help="its configuration file, which says where")
    status.set_defaults(run=_status)

    systemd = commands.add_parser("systemd", help="print a unit for systemd", description=_systemd.__doc__)
    systemd.add_argument("unit", choices=("service", "socket"), help="which: the server, or its port, which systemd can keep for it")
    systemd.set_defaults(run=_systemd)
    return parser


def _passwd(chosen: argparse.Namespace) -> None:
    """Add a user to an smbpasswd file, or change the password of one. Asks for the password twice."""
    try:
        if chosen.delete:
            remove_user(chosen.file, chosen.user)
        else:
            set_password(chosen.file, chosen.user, _line_of_input() if chosen.stdin else _ask_twice())
    except KeyError:
        raise Refused(f"{chosen.file} has no user {chosen.user}") from None
    except OSError as error:
        raise Refused(f"{chosen.file}: {error.strerror}") from error
    except ValueError as error:
        raise Refused(str(error)) from error


def _line_of_input() -> str:
    try:
        line = sys.stdin.buffer.readline().decode()
    except UnicodeDecodeError:
        raise Refused("the password on standard input is not UTF-8") from None
    password = line.removesuffix("\n").removesuffix("\r")
    if not password:
        raise Refused("there is no password on standard input")
    return password


def _ask_twice() -> str:
    try:
        password = getpass("Password: ")
        if password and getpass("The same again: ") != password:
            raise Refused("these were two different passwords; nothing is changed")
    except EOFError:
        password = ""
    if not password:
        raise Refused("no password; nothing is changed")
    return password


def _check(chosen: argparse.Namespace) -> None:
    """Check a configuration file as a start would, but without listening. Tells what it would serve, or every mistake in it."""
    # Here, because the other commands are quicker without them.
    from twisted.internet import reactor

    from filesvc.provision import endpoints, provide

    mistakes: list[str] = []
    config = read(chosen.config, mistakes)
    endpoints((*config.listen, *config.status), reactor, mistakes, activated=False)
    provision = provide(config, {}, mistakes)
    provision.close()
    print(f"{chosen.config}: would serve {describe(config)}")
    for note in [*notes(config), *provision.notes]:
        print(note)


def _status(chosen: argparse.Namespace) -> None:
    """Show who is connected to a running server and what is open. It must have been started with status = ... or --status."""
    from twisted.internet.defer import Deferred
    from twisted.internet.task import react

    from filesvc.status_client import DEFAULT, NoStatus, fetch

    where = chosen.endpoint or (_status_endpoint(chosen.config) if chosen.config else DEFAULT)
    outcome: list[str | NoStatus] = []

    async def ask(reactor: Any) -> None:
        try:
            outcome.append(await fetch(reactor, where))
        except NoStatus as error:
            outcome.append(error)

    with contextlib.suppress(SystemExit):
        react(lambda reactor: Deferred.fromCoroutine(ask(reactor)))
    match outcome:
        case [str(page)]:
            sys.stdout.write(page)
        case [error]:
            raise Refused(str(error))
        case _:
            raise KeyboardInterrupt


def _status_endpoint(path: str) -> str:
    from filesvc.status_client import client_endpoint

    mistakes: list[str] = []
    config = read(path, mistakes)
    if mistakes:
        raise ConfigError(mistakes)
    if not config.status:
        raise Refused(f'{path}: no status; add status = "tcp:9450:interface=127.0.0.1" and start the server anew')
    try:
        return client_endpoint(config.status[0].value)
    except ValueError as error:
        raise Refused(f"{config.status[0].where}: {error}; give filesvc status the endpoint to connect to") from None


def _systemd(chosen: argparse.Namespace) -> None:
    """Print a unit for systemd, for /etc/systemd/system/filesvc.service or filesvc.socket. It starts the programs beside this one."""
    programs = Path(sys.argv[0]).resolve().parent
    if any(letter.isspace() or letter in "%\\\"'" for letter in str(programs)):
        raise Refused(f"a unit cannot name {programs}; install filesvc where no folder's name has spaces, quotes or %")
    unit = files("filesvc").joinpath("systemd", f"filesvc.{chosen.unit}").read_text()
    sys.stdout.write(unit.replace("/opt/filesvc/bin", str(programs)))
    if chosen.unit == "service" and any(programs.is_relative_to(hidden) for hidden in _HIDDEN_FROM_THE_SERVICE):
        print(f"note: the unit hides {programs} from the service; install filesvc elsewhere, as in /opt/filesvc", file=sys.stderr)
