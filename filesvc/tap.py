"""C{twistd filesvc}: its options, and the service they make."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from twisted.cred.strcred import AuthOptionMixin
from twisted.python import usage

from filesvc.config import Config, ConfigError, Said, ShareConfig, override
from filesvc.configfile import read
from filesvc.open_files import raise_limit
from filesvc.service import FileService
from filesvc.trial import SHARE, TrialUser, instructions
from filesvc.users import CREDENTIALS

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping, Sequence

    from twisted.internet.interfaces import IListeningPort

_PIDFILE = "twistd.pid"
"""What twistd names it where nobody says."""
_SETTINGS = ("min-dialect", "max-dialect", "signing", "encrypt", "keytab")


class Options(usage.Options, AuthOptionMixin):
    """The command line of C{twistd filesvc}."""

    synopsis = "[options]"
    longdesc = (
        "Shares folders with SMB 2 and 3 clients: Windows, macOS, Linux and others. Without --share, --auth, --guest and --config it "
        "shares the current folder, read-only, with a user made for this run, and prints how to connect."
    )
    supportedInterfaces = CREDENTIALS

    optParameters: ClassVar = [
        ["config", None, None, "A TOML file with the same names; options override it. SIGHUP reloads its shares and users."],
        ["min-dialect", None, None, "Speak no earlier dialect than this: 2.0.2 (default), 2.1, 3.0, 3.0.2, 3.1.1."],
        ["max-dialect", None, None, "Speak no later dialect than this: 3.1.1 (default)."],
        ["signing", None, None, "required, or when-asked (default)."],
        ["encrypt", None, None, "required, when-asked (default), or off."],
        [
            "keytab",
            None,
            None,
            "A file with the keys of cifs/HOST, for Kerberos; who may log on with it is for --auth kerberos:REALM to say.",
        ],
    ]
    optFlags: ClassVar = [["guest", None, "Let guests in, to shares with the flag guest only."]]

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self["listen"] = []
        self["share"] = []
        self["auth"] = []
        self["status"] = []

    def opt_listen(self, endpoint: str) -> None:
        """A Twisted endpoint, such as tcp:445 or tcp:4455:interface=127.0.0.1; repeatable. [default: tcp:4450:interface=127.0.0.1]"""
        self["listen"].append(endpoint)

    def opt_share(self, share: str) -> None:
        """NAME=TARGET[,ro][,guest][,hidden][,encrypt][,access-based]; TARGET is a folder, or scheme:... for a plugin; repeatable."""
        self["share"].append(share)

    def opt_auth(self, description: str) -> None:
        """Who may log on, such as smbpasswd:FILE (see --help-auth); repeatable."""
        self["auth"].append(description)

    def opt_status(self, endpoint: str) -> None:
        """Tell the server's status over HTTP there, /metrics for Prometheus; such as tcp:9450:interface=127.0.0.1; repeatable."""
        self["status"].append(endpoint)

    def postOptions(self) -> None:
        """Remember the file where it is now: twistd may change the working folder before a reload."""
        if self["config"] is not None:
            self["config"] = os.path.abspath(self["config"])


def load(options: Options, mistakes: list[str]) -> Config:
    """What the options, and the file they name, ask for; what is not accepted is noted in C{mistakes}."""
    config = read(options["config"], mistakes) if options["config"] is not None else Config()
    settings = {key: options[key] for key in _SETTINGS if options[key] is not None}
    if options["guest"]:
        settings["guest"] = True
    return override(config, options["listen"], options["share"], options["auth"], options["status"], settings, mistakes)


def make_service(options: Options, reactor: Any) -> FileService:
    """
    The service that the options ask for; nothing listens yet.

    @raise ConfigError: with all mistakes.
    """
    if _is_trial(options):
        return _trial(options, reactor)
    return FileService(reactor, lambda mistakes: load(options, mistakes))


def _is_trial(options: Options) -> bool:
    return not (options["share"] or options["auth"] or options["guest"]) and options["config"] is None


def _trial(options: Options, reactor: Any) -> FileService:
    folder, user = os.getcwd(), TrialUser()
    # A duplicate, because twistd takes the original for its log, or closes it when it goes to the background.
    output = os.fdopen(os.dup(1), "w", encoding="utf-8")

    def load_trial(mistakes: list[str]) -> Config:
        return replace(
            load(options, mistakes),
            shares=(ShareConfig(SHARE, Said(folder, "the current folder"), "the current folder", read_only=True),),
            auth=(Said(f"memory:{user.name}:{user.password}", "the trial user"),),
        )

    def tell(ports: Sequence[IListeningPort]) -> None:
        with output:
            output.write(instructions(user, folder, ports))

    return FileService(reactor, load_trial, listening=tell, reloads=False)


def makeService(options: Options) -> FileService:
    """What twistd calls."""
    # Here, because twistd's --reactor installs another after this module is imported.
    from twisted.internet import reactor

    twistd = options.parent if options.parent is not None else {}
    if _is_trial(options):
        _leave_no_pidfile(twistd)
    _check_pidfile(twistd)
    raise_limit()
    try:
        return make_service(options, reactor)
    except ConfigError as error:
        raise SystemExit(str(error)) from None


def _leave_no_pidfile(twistd: MutableMapping[str, Any]) -> None:
    """Have twistd, unless it goes to the background or is told where, write no pidfile into the shared folder: clients would see it."""
    if twistd.get("nodaemon") and os.path.abspath(twistd["pidfile"]) == os.path.abspath(_PIDFILE):
        twistd["pidfile"] = ""


def _check_pidfile(twistd: Mapping[str, Any]) -> None:
    """
    Look whether twistd, which would end with a traceback, may write its pidfile.

    @raise SystemExit: with a sentence.
    """
    name = twistd.get("pidfile")
    if name:
        path = os.path.join(os.path.abspath(twistd["rundir"]), name)
        if not os.access(path if os.path.exists(path) else os.path.dirname(path), os.W_OK, effective_ids=True):
            raise SystemExit(f"twistd may not write its pidfile, {path}; before filesvc, give --pidfile=FILE, or --pidfile= for none")
