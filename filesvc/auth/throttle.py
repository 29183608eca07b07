"""Wrong passwords cost time: for who tries them, and for the name that they are tried with."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING, Final

from twisted.internet.task import deferLater

from filesvc.auth.errors import LogonFailure
from filesvc.auth.names import account_key

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

FREE: Final = 2
"""So many mistakes cost nothing."""
FIRST_S: Final = 0.25
OF_ADDRESS_S: Final = 4.0
"""The most that a try waits for those from the same address before it, each of which waits so long."""
OF_NAME_S: Final = 2.0
"""The most that a try waits because of others with the same name, however many there are: nobody is locked out from elsewhere."""
HALVED_S: Final = 30.0
"""Within so many seconds half of the mistakes are forgotten."""
QUEUE: Final = 8
"""So many tries from one address wait; more are refused unlooked."""
_REMEMBERED: Final = 4096
_IPV6_SUBNET: Final = 64


@dataclass(slots=True)
class _Mistakes:
    """How many somebody has made, decaying; C{free_at}: when the next try that was let wait is due."""

    count: float = 0.0
    at: float = 0.0
    free_at: float = 0.0
    waiting: int = 0

    def now(self, now: float) -> float:
        return self.count * float(0.5 ** ((now - self.at) / HALVED_S))

    def delay(self, now: float, most: float) -> float:
        count = self.now(now)
        return 0.0 if count < FREE else min(most, FIRST_S * 2 ** (count - FREE))


class Throttle:
    """
    Lets who guesses passwords wait, before they are looked at: so nobody learns anything sooner by not waiting for the answer.

    Tries from one address (of IPv6, from one subnet) wait for each other. Tries with one name do not, so that an attacker makes its owner
    wait for C{OF_NAME_S} at most. What is remembered is bounded: the mistake that is the longest ago is forgotten first.
    """

    def __init__(self, reactor: IReactorTime) -> None:
        self._reactor = reactor
        self._addresses: OrderedDict[str, _Mistakes] = OrderedDict()
        self._names: OrderedDict[str, _Mistakes] = OrderedDict()

    async def wait(self, host: str, name: str) -> None:
        """
        Return when a try may be looked at. It counts as wrong until L{was_right} says otherwise, so that many at once are no way around.

        @raise LogonFailure: too many others of that address wait already.
        """
        now = self._reactor.seconds()
        of_name = self._names.get(account_key(name))
        delay = of_name.delay(now, OF_NAME_S) if of_name is not None else 0.0
        of_address = self._addresses.get(subnet(host))
        if of_address is not None:
            gap = of_address.delay(now, OF_ADDRESS_S)
            if gap and of_address.waiting >= QUEUE:
                raise LogonFailure("too many wrong passwords from this address", name)
            of_address.free_at = max(now, of_address.free_at) + gap
            delay = max(delay, of_address.free_at - now)
            of_address.waiting += 1
        _count(self._addresses, subnet(host), now, 1)
        _count(self._names, account_key(name), now, 1)
        try:
            if delay:
                await deferLater(self._reactor, delay)
        finally:
            if of_address is not None:
                of_address.waiting -= 1

    def was_right(self, host: str, name: str) -> None:
        """A try was no mistake."""
        now = self._reactor.seconds()
        _count(self._addresses, subnet(host), now, -1)
        _count(self._names, account_key(name), now, -1)


def subnet(host: str) -> str:
    """What of an address one client is likely to have all of."""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if not isinstance(address, IPv6Address):
        return host
    return str(address.ipv4_mapped or int(address) >> 128 - _IPV6_SUBNET)


def _count(table: OrderedDict[str, _Mistakes], key: str, now: float, change: int) -> None:
    mistakes = table.pop(key, None) or _Mistakes()
    mistakes.count, mistakes.at = max(0.0, mistakes.now(now) + change), now
    if not mistakes.count and not mistakes.waiting:
        return
    table[key] = mistakes
    if len(table) > _REMEMBERED:
        table.popitem(last=False)
