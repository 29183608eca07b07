"""What a configuration names, found in the real world: endpoints to listen on, the stores of shares, checkers of users."""

from __future__ import annotations

import os
import re
import stat
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from twisted.internet.endpoints import serverFromString
from twisted.plugin import getPlugins

from filesvc.auth.checkers import SmbpasswdChecker
from filesvc.auth.credentials import IKerberosPrincipal
from filesvc.config import Config, ConfigError, Said, ShareConfig, judge
from filesvc.interfaces import IFileStore, IStorePlugin
from filesvc.keys import TARGET
from filesvc.obstacles import require_entry, why_not_serving
from filesvc.server.settings import Share
from filesvc.store.local import LocalStore
from filesvc.users import make_checkers

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from twisted.internet.interfaces import IStreamServerEndpoint

ENDPOINT_FORM = "an endpoint, such as tcp:445, tcp:4455:interface=127.0.0.1, systemd:domain=INET6:index=0 or ssl:4455:privateKey=FILE"

_LAST_PORT = 65535
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]+):(.*)", re.DOTALL)
_PORT = re.compile(r"(?:tcp6?|ssl):(?:port=)?([0-9]+)(?::|$)")


class StoreKey(NamedTuple):
    """What makes two shares, or two configurations, use the same store. Folders are told apart by what they are now."""

    target: str
    read_only: bool
    device: int = 0
    inode: int = 0


@dataclass(slots=True)
class Provision:
    """
    The shares and checkers that a configuration asks for, and the open stores below the shares.

    C{notes} tell what there is, but perhaps not as it was meant.
    """

    shares: list[Share] = field(default_factory=list)
    stores: dict[StoreKey, IFileStore] = field(default_factory=dict)
    checkers: list[Any] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def close(self) -> None:
        """Give back the stores."""
        for store in self.stores.values():
            store.close()


class Listen(NamedTuple):
    """An endpoint and the string that describes it."""

    text: str
    endpoint: IStreamServerEndpoint


def provide(config: Config, opened: Mapping[StoreKey, IFileStore], mistakes: list[str]) -> Provision:
    """
    Open what a configuration names, but for what is C{opened} already.

    @raise ConfigError: if there are C{mistakes}, those found before, by L{judge} or here; what was opened is closed then.
    """
    judge(config, mistakes)
    state = config.settings.state
    if state and not os.access(state, os.W_OK | os.X_OK):
        mistakes.append(f'{config.where}: state: "{state}" is no folder that can be written to')
    provision = Provision(checkers=make_checkers(config.auth, mistakes))
    _check_kerberos(config, provision.checkers, mistakes)
    for checker in provision.checkers:
        if isinstance(checker, SmbpasswdChecker) and not checker.lets_anybody_in:
            provision.notes.append(f"auth: {checker.path} has no user who may log on; filesvc passwd {checker.path} USER adds one")
    provision.notes += _readable_secrets(config)
    for share in config.shares:
        if not share.target.value:
            continue
        try:
            key = _key(share)
            store = provision.stores.get(key) or opened.get(key) or _open(key)
        except (OSError, ValueError) as error:
            mistakes.append(f"{share.target.where}: {_sentence(share.target.value, error)}")
            continue
        provision.stores[key] = store
        if key.inode and (note := why_not_serving(key.target, key.read_only)):
            provision.notes.append(f"{share.target.where}: {note}")
        provision.shares.append(
            Share(
                share.name,
                store,
                read_only=share.read_only,
                guest=share.guest,
                hidden=share.hidden,
                encrypt=share.encrypt,
                comment=share.comment,
                path=share.target.value,
                snapshots=share.snapshots,
                continuous=share.continuous,
                access_based=share.access_based,
                time_machine=share.time_machine,
                time_machine_size=share.time_machine_size,
            )
        )
    if mistakes:
        for key in provision.stores.keys() - opened.keys():
            provision.stores[key].close()
        raise ConfigError(mistakes)
    return provision


def _readable_secrets(config: Config) -> Iterator[str]:
    """What to say of files with passwords or keys in them that more can read than their owner and group."""
    named = [(said.where, said.value.partition(":")) for said in config.auth]
    files = [(where, argument) for where, (kind, _, argument) in named if kind in ("smbpasswd", "file")]
    if config.settings.keytab:
        files.append((f"{config.where}: keytab", config.settings.keytab))
    for where, path in files:
        with suppress(OSError):
            if os.stat(path).st_mode & stat.S_IRWXO:
                yield f"{where}: anybody on this host may read or change {path}, and log on as who is in it; chmod o= {path}"


def _check_kerberos(config: Config, checkers: Iterable[Any], mistakes: list[str]) -> None:
    """Note what is wrong with the keytab, and what is missing beside it or without it."""
    keytab = config.settings.keytab
    if keytab:
        try:
            # Here, because it is an extra.
            from filesvc.auth.kerberos import Keytab, KeytabError
        except ImportError as error:
            mistakes.append(f'{config.where}: keytab: Kerberos is an extra, and not installed: pip install "filesvc[kerberos]" ({error})')
            return
        try:
            Keytab(keytab)
        except OSError as error:
            mistakes.append(f'{config.where}: keytab: "{keytab}": {error.strerror}')
        except KeytabError as error:
            mistakes.append(f'{config.where}: keytab: "{keytab}": {error}; klist -k shows what it holds')
    let_in = any(IKerberosPrincipal in checker.credentialInterfaces for checker in checkers)
    if let_in and not keytab:
        mistakes.append(f"{config.where}: auth lets users of Kerberos in, but nothing can read their tickets; add --keytab FILE (keytab)")
    elif keytab and not let_in and not mistakes:
        mistakes.append(f"{config.where}: keytab: nobody could log on with it; add --auth kerberos:REALM (auth)")


def _key(share: ShareConfig) -> StoreKey:
    target = share.target.value
    if _SCHEME.fullmatch(target):
        return StoreKey(target, share.read_only)
    path = os.path.abspath(target)
    found = os.stat(path)
    if stat.S_ISDIR(found.st_mode):
        require_entry(path)
    return StoreKey(path, share.read_only, found.st_dev, found.st_ino)


def _open(key: StoreKey) -> IFileStore:
    scheme = _SCHEME.fullmatch(key.target)
    if not scheme:
        return LocalStore(key.target, read_only=key.read_only)
    plugins = {plugin.scheme: plugin for plugin in getPlugins(IStorePlugin)}
    if scheme[1] not in plugins:
        installed = ", ".join(sorted(plugins)) or "none"
        raise ValueError(
            f"no store plugin has the scheme {scheme[1]} (installed: {installed}); for a folder with a colon give ./{key.target}"
        )
    store: IFileStore = plugins[scheme[1]].open_store(scheme[2], key.read_only)
    return store


def _sentence(target: str, error: Exception) -> str:
    match error:
        case FileNotFoundError():
            flags = "; flags after a comma are ro, guest, hidden, encrypt and access-based" if "," in target else ""
            return f'there is no folder "{target}"; give {TARGET.accepted}{flags}'
        case NotADirectoryError():
            return f'"{target}" is not a folder; give {TARGET.accepted}'
        case OSError():
            return f'"{target}" cannot be opened: {error.strerror or error}'
        case _:
            return f'"{target}": {error}'


def endpoints(listen: Iterable[Said], reactor: Any, mistakes: list[str], activated: bool = True) -> list[Listen]:
    """
    What Twisted makes of endpoint strings; what it cannot is noted in C{mistakes}.

    @param activated: false lets C{systemd:} pass without a socket from systemd.
    """
    found = []
    for said in listen:
        try:
            if (port := _PORT.match(said.value)) and int(port[1]) > _LAST_PORT:
                raise ValueError(f"the last port is {_LAST_PORT}")
            # Twisted would let anybody on this host connect to a socket.
            private = said.value.startswith("unix:") and ":mode=" not in said.value
            found.append(Listen(said.value, serverFromString(reactor, f"{said.value}:mode=600" if private else said.value)))
        except Exception as error:  # noqa: BLE001 Twisted's parsers, and plugins', raise whatever they meet.
            if not said.value.startswith("systemd:") or not isinstance(error, LookupError):
                mistakes.append(f'{said.where}: "{said.value}" is not accepted ({error}); give {ENDPOINT_FORM}')
            elif activated:
                mistakes.append(f'{said.where}: "{said.value}": systemd passed no such socket; start the socket unit, not the service')
    return found
