"""Stores, opened and kept."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import pytest
from twisted.internet.task import Clock

from filesvc.config import Config, ConfigError, Said, ShareConfig
from filesvc.provision import Provision, endpoints, provide
from filesvc.server.settings import Settings, Share


def config(*shares: ShareConfig, auth: str = "memory:alice:secret") -> Config:
    return Config(shares=shares, auth=(Said(auth, "--auth"),))


def share(name: str, target: object, **given: Any) -> ShareConfig:
    return ShareConfig(name, Said(str(target), "here"), "here", **given)


def descriptors() -> list[str]:
    return os.listdir("/proc/self/fd")


class Provide(Protocol):
    def __call__(self, config: Config, opened: Provision | None = None) -> Provision: ...


@pytest.fixture
def provided() -> Iterator[Provide]:
    """Provides, and gives back what was provided."""
    made: list[Provision] = []

    def provided(config: Config, opened: Provision | None = None) -> Provision:
        made.append(provide(config, opened.stores if opened else {}, []))
        return made[-1]

    yield provided
    for store in {id(store): store for provision in made for store in provision.stores.values()}.values():
        store.close()


def test_shares_are_as_asked(provided: Provide, tmp_path: Path) -> None:
    asked = share("docs", tmp_path, read_only=True, guest=True, hidden=True, encrypt=True, comment="Papers", access_based=True)
    (made,) = provided(config(asked)).shares
    assert made == Share("docs", made.store, True, True, True, True, "Papers", str(tmp_path), access_based=True)


def test_shares_of_one_folder_have_one_store_unless_one_is_read_only(provided: Provide, tmp_path: Path) -> None:
    one, two, three = provided(config(share("a", tmp_path), share("b", f"{tmp_path}/."), share("c", tmp_path, read_only=True))).shares
    assert one.store is two.store
    assert three.store is not one.store


def test_open_stores_are_kept_and_a_folder_that_was_replaced_is_opened_anew(provided: Provide, tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    first = provided(config(share("docs", docs)))
    second = provided(config(share("papers", docs)), first)
    assert second.shares[0].store is first.shares[0].store
    docs.rename(tmp_path / "old")
    docs.mkdir()
    third = provided(config(share("docs", docs)), second)
    assert third.shares[0].store is not first.shares[0].store


def test_a_mistake_leaves_nothing_open_and_what_was_open_alone(provided: Provide, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    kept = provided(config(share("docs", tmp_path)))
    before = descriptors()
    with pytest.raises(ConfigError) as mistaken:
        provide(config(share("docs", tmp_path), share("new", tmp_path / "new"), share("none", tmp_path / "none")), kept.stores, [])
    assert mistaken.value.mistakes == [f'here: there is no folder "{tmp_path}/none"; give a folder, or scheme:... for a store plugin']
    assert descriptors() == before
    assert kept.shares[0].store.volume().total > 0


def test_the_folder_for_what_outlives_the_server_must_be_there(tmp_path: Path) -> None:
    asked = replace(config(share("docs", tmp_path)), settings=Settings(state=f"{tmp_path}/none"))
    with pytest.raises(ConfigError, match=r'twistd filesvc: state: ".*/none" is no folder that can be written to'):
        provide(asked, {}, [])


def test_a_comma_in_a_missing_folder_may_be_a_flag_misspelt(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="flags after a comma are ro, guest, hidden, encrypt and access-based"):
        provide(config(share("docs", f"{tmp_path},read-only")), {}, [])


def test_a_folder_with_a_colon_needs_a_slash(provided: Provide, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a:b").mkdir()
    (tmp_path / "ab:c").mkdir()
    provided(config(share("one", "a:b"), share("two", "./ab:c")))
    with pytest.raises(ConfigError, match=r"no store plugin has the scheme ab \(installed: .*\); for a folder with a colon give \./ab:c"):
        provide(config(share("two", "ab:c")), {}, [])


def test_mistakes_found_before_are_told_as_well(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as mistaken:
        provide(config(share("docs", tmp_path)), {}, ["found before"])
    assert mistaken.value.mistakes == ["found before"]


@pytest.mark.parametrize("text", ["tcp:445", "tcp6:port=445", "tcp:0:interface=127.0.0.1", "unix:/run/filesvc", "haproxy:tcp:445"])
def test_endpoints_that_are(text: str) -> None:
    mistakes: list[str] = []
    (listen,) = endpoints([Said(text, "--listen")], Clock(), mistakes)
    assert mistakes == []
    assert listen.text == text


@pytest.mark.parametrize(
    "text",
    ["", "445", "tcp", "tcp:", "tcp:smb", "tcp:65536", "tcp6:port=99999", "ssl:65536:privateKey=x", "tcp:1:no=1", "none:1",
     "systemd:domain=INET", "systemd:domain=INET:index=x"],
)  # fmt: skip
@pytest.mark.parametrize("activated", [True, False])
def test_endpoints_that_are_not(text: str, activated: bool) -> None:
    mistakes: list[str] = []
    assert endpoints([Said(text, "--listen")], Clock(), mistakes, activated) == []
    (mistake,) = mistakes
    assert mistake.startswith(f'--listen: "{text}" is not accepted (')
    assert "give an endpoint, such as tcp:445" in mistake
