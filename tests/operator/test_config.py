"""Configuration files and options: what they mean, and how mistakes in them are told."""

from __future__ import annotations

import dataclasses
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filesvc.config import Config, Said, ShareConfig, describe, judge, notes, override, parse_share
from filesvc.configfile import read
from filesvc.server.settings import DataPathSettings, Encryption, Limits, Settings, Signing
from filesvc.smb2.messages.negotiate import Dialect

SAMPLE = Path(__file__).parents[2] / "etc" / "filesvc.toml"


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], str]:
    def write(text: str) -> str:
        path = tmp_path / "filesvc.toml"
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


def mistakes_in(path: str) -> list[str]:
    mistakes: list[str] = []
    read(path, mistakes)
    return [mistake.removeprefix(path) for mistake in mistakes]


def judged(config: Config) -> list[str]:
    mistakes: list[str] = []
    judge(config, mistakes)
    return mistakes


def share(name: str, **given: Any) -> ShareConfig:
    return ShareConfig(name, Said("/srv", "here"), f"--share {name}", **given)


SERVED = Config(shares=(share("docs"),), auth=(Said("memory:a:b", "--auth"),))


# Files


def test_file_that_says_everything(write: Callable[[str], str]) -> None:
    mistakes: list[str] = []
    config = read(
        write(
            """
            listen = ["tcp:445", "tcp:4455:interface=127.0.0.1"]
            auth = "smbpasswd:/etc/users"
            status = "unix:/run/filesvc/status"
            guest = true
            name = "TOWER"
            comment = "In the cellar"
            workgroup = "HOME"
            state = "/var/lib/filesvc"
            keytab = "/etc/filesvc.keytab"
            administrators = ["alice", "bob"]
            restrict-remote-sam = false
            min-dialect = "3.0"
            max-dialect = "3.0.2"
            signing = "required"
            encrypt = "off"
            [share.docs]
            target = "/srv/docs"
            [share."old docs"]
            target = "/srv/old"
            ro = true
            guest = true
            hidden = true
            encrypt = "required"
            comment = "Read only"
            continuous = true
            access-based = true
            [share.backups]
            target = "/srv/backups"
            time-machine = true
            time-machine-size = "1T"
            [limits]
            opens = 7
            logon-timeout = 3
            [data-path]
            zero-copy = false
            stall-timeout = 0.5
            """
        ),
        mistakes,
    )
    assert mistakes == []
    assert [said.value for said in config.listen] == ["tcp:445", "tcp:4455:interface=127.0.0.1"]
    assert [said.value for said in config.auth] == ["smbpasswd:/etc/users"]
    assert [said.value for said in config.status] == ["unix:/run/filesvc/status"]
    docs, old, backups = config.shares
    assert (backups.time_machine, backups.time_machine_size) == (True, 1 << 40)
    assert (docs.name, docs.target.value) == ("docs", "/srv/docs")
    assert not any(
        (
            docs.read_only,
            docs.guest,
            docs.hidden,
            docs.encrypt,
            docs.continuous,
            docs.access_based,
            docs.time_machine,
            docs.time_machine_size,
        )
    )
    assert (old.name, old.target.value, old.comment) == ("old docs", "/srv/old", "Read only")
    assert all((old.read_only, old.guest, old.hidden, old.encrypt, old.continuous, old.access_based))
    assert config.settings == Settings(
        name="TOWER",
        state="/var/lib/filesvc",
        keytab="/etc/filesvc.keytab",
        administrators=("alice", "bob"),
        restrict_remote_sam=False,
        comment="In the cellar",
        workgroup="HOME",
        min_dialect=Dialect.SMB_3_0,
        max_dialect=Dialect.SMB_3_0_2,
        signing=Signing.REQUIRED,
        encryption=Encryption.OFF,
        guest=True,
        limits=Limits(opens=7, logon_timeout=3.0),
        data_path=DataPathSettings(zero_copy=False, stall_timeout=0.5),
    )


def test_empty_file_leaves_every_default(write: Callable[[str], str]) -> None:
    mistakes: list[str] = []
    path = write("")
    assert read(path, mistakes) == Config(where=path)
    assert mistakes == []


def test_sample_file_says_every_key_with_its_default() -> None:
    mistakes: list[str] = []
    config = read(str(SAMPLE), mistakes)
    assert mistakes == []
    assert config.settings == Settings()
    assert [said.value for said in config.listen] == [said.value for said in Config().listen]
    values = tomllib.loads(SAMPLE.read_text())
    for section, kind in (("limits", Limits), ("data-path", DataPathSettings)):
        assert list(values[section]) == [field.name.replace("_", "-") for field in dataclasses.fields(kind)]
    names = {field.name.replace("_", "-") for field in dataclasses.fields(Settings)} - {"encryption", "limits", "data-path"}
    assert values.keys() == names | {"encrypt", "listen", "auth", "share", "limits", "data-path"}
    flags = {"ro", "guest", "hidden", "access-based", "continuous", "time-machine"}
    assert values["share"]["docs"].keys() == {"target", "comment", "encrypt"} | flags


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            'listen = "tcp:445"\nmin-dialect = 3.0\n',
            ':2: min-dialect: 3.0 is not accepted; give one of "2.0.2", "2.1", "3.0", "3.0.2", "3.1.1"',
        ),
        ('# signing\n\nsigning = "yes"', ':3: signing: "yes" is not accepted; give one of "required", "when-asked"'),
        ("listen = [445]", ":1: listen: [445] is not accepted; give a text in quotes, or a list of them"),
        ("listen = []", ":1: listen: [] is not accepted; give a text in quotes, or a list of them"),
        ("guest = 1", ":1: guest: 1 is not accepted; give true or false"),
        ('name = "MORE THAN FIFTEEN"', ':1: name: "MORE THAN FIFTEEN" is not accepted; give 1 to 15 letters, digits and hyphens'),
        ("[limits]\ntrees = 3\nopens = 0", ":3: limits.opens: 0 is not accepted; give a whole number from 1 to 10000000"),
        ("[limits]\nopens = true", ":2: limits.opens: true is not accepted; give a whole number from 1 to 10000000"),
        ("[data-path]\nstall-timeout = -1", ":2: data-path.stall-timeout: -1 is not accepted; give seconds from 0.01 to 3600"),
        ("[data-path]\nstall-timeout = nan", ":2: data-path.stall-timeout: nan is not accepted; give seconds from 0.01 to 3600"),
        ("limits = 3", ":1: limits: 3 is not accepted; give a table"),
        ("[share.a]\nro = true", ":1: share.a: no target; give a folder, or scheme:... for a store plugin"),
        ('[share.a]\n\ntarget = "/srv"\nro = "yes"', ':4: share.a.ro: "yes" is not accepted; give true or false'),
        ('[share."my docs"]\ntarget = 4', ':2: share."my docs".target: 4 is not accepted; give a folder, or scheme:... for a store plugin'),
        ('share = "docs=/srv"', ':1: share: "docs=/srv" is not accepted; give a table'),
        ('[share.a]\ntarget = ""', ':2: share.a.target: "" is not accepted; give a folder, or scheme:... for a store plugin'),
        (
            '[share.a]\ntarget = "/srv"\nsnapshots = "old/%Q"',
            ':3: share.a.snapshots: "old/%Q" is not accepted; give a path inside the share with fields of strftime in one name, '
            "such as .snapshots/%Y-%m-%d_%H%M",
        ),
        *(
            (
                f"[share.a]\ntarget = '/srv'\ntime-machine-size = {size}",
                f":3: share.a.time-machine-size: {size} is not accepted; give a size in quotes, in bytes or with K, M, G or T behind it, "
                'such as "1T"',
            )
            for size in ('"0"', '"1t"', '"1.5T"', '"-1"', '"2000000T"', "1024")
        ),
        ("share.docs = 3", ":1: share.docs: 3 is not accepted; give a table"),
    ],
)
def test_mistake_tells_line_key_and_what_is_accepted(write: Callable[[str], str], text: str, expected: str) -> None:
    assert mistakes_in(write(text)) == [expected]


def test_unknown_keys_are_mistakes_and_the_nearest_known_one_is_named(write: Callable[[str], str]) -> None:
    top, in_share = mistakes_in(write('sining = "required"\n[share.docs]\ntarget = "/srv"\nreadonly = true\n'))
    assert top.startswith(":1: sining: no such key; did you mean signing? accepted: administrators, auth, comment, ")
    accepted = "access-based, comment, continuous, encrypt, guest, hidden, ro, snapshots, target, time-machine, time-machine-size"
    assert in_share == f":4: share.docs.readonly: no such key; accepted: {accepted}"


def test_all_mistakes_are_told(write: Callable[[str], str]) -> None:
    found = mistakes_in(write('guest = 1\nsigning = 2\n[share.a]\n[share.b]\ntarget="/"\nencrypt = true\n[limits]\nopens = "many"\n'))
    assert [mistake.split(": ")[1] for mistake in found] == ["guest", "signing", "share.a", "share.b.encrypt", "limits.opens"]


def test_a_key_after_a_list_of_many_lines_is_found_on_its_own_line(write: Callable[[str], str]) -> None:
    text = 'auth = [\n  "memory:a:b",\n\n  # more\n  "memory:c:d",\n]\nlisten = [\n  1,\n]\n'
    assert mistakes_in(write(text)) == [":7: listen: [1] is not accepted; give a text in quotes, or a list of them"]


def test_a_file_of_many_shares_is_read_in_no_time(write: Callable[[str], str]) -> None:
    mistakes: list[str] = []
    text = "".join(f'[share.s{number}]\ntarget = "/srv/{number}"\nro = 1\n' for number in range(1000))
    start = time.monotonic()
    config = read(write(text), mistakes)
    assert time.monotonic() - start < 2
    assert len(config.shares) == len(mistakes) == 1000
    assert ":3000: share.s999.ro: " in mistakes[-1]


def test_file_that_is_not_there(tmp_path: Path) -> None:
    assert mistakes_in(str(tmp_path / "none.toml")) == [": No such file or directory"]


def test_file_that_is_a_folder(tmp_path: Path) -> None:
    assert mistakes_in(str(tmp_path)) == [": Is a directory"]


def test_file_that_is_not_toml(write: Callable[[str], str]) -> None:
    (mistake,) = mistakes_in(write('listen = "tcp:445"\nguest true\n'))
    assert mistake.startswith(":2: not TOML: ")


def test_file_that_ends_too_soon(write: Callable[[str], str]) -> None:
    (mistake,) = mistakes_in(write('listen = "tcp:445"\nauth = ['))
    assert mistake.startswith(": not TOML: ")


def test_file_that_is_not_text(tmp_path: Path) -> None:
    path = tmp_path / "filesvc.toml"
    path.write_bytes(b'comment = "caf\xe9"')
    assert mistakes_in(str(path)) == [": not UTF-8, which TOML must be"]


@given(st.binary(max_size=200))
def test_any_bytes_give_a_configuration_and_mistakes(tmp_path_factory: pytest.TempPathFactory, text: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_bytes(text)
    mistakes: list[str] = []
    config = read(str(path), mistakes)
    assert mistakes or config.where == str(path)


# TOML has more than bytes are likely to hit on: any value at every key.
KEYS = [
    "listen",
    "auth",
    "guest",
    "name",
    "comment",
    "min-dialect",
    "signing",
    "encrypt",
    "share",
    "limits",
    "data-path",
    "target",
    "ro",
    "opens",
]
VALUES = st.recursive(
    st.booleans()
    | st.integers(-9, 99999)
    | st.sampled_from(["3.0", "required", "tcp:1", ""])
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.sampled_from(KEYS), values, max_size=4),
    max_leaves=12,
)


def toml(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case str():
            return f'"{value}"'
        case list():
            return "[" + ", ".join(map(toml, value)) + "]"
        case dict():
            return "{" + ", ".join(f"{key} = {toml(item)}" for key, item in value.items()) + "}"
        case _:
            return repr(value)


@given(st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=5))
def test_any_values_give_a_configuration_and_mistakes_with_places(tmp_path_factory: pytest.TempPathFactory, values: Any) -> None:
    path = tmp_path_factory.getbasetemp() / "values.toml"
    path.write_text("".join(f"{key} = {toml(value)}\n" for key, value in values.items()))
    mistakes: list[str] = []
    config = read(str(path), mistakes)
    judge(config, mistakes)
    assert all(mistake.startswith(str(path)) for mistake in mistakes)


# Options


@pytest.mark.parametrize(
    ("text", "name", "target", "flags"),
    [
        ("docs=/srv/docs", "docs", "/srv/docs", set()),
        ("docs=/srv/docs,ro", "docs", "/srv/docs", {"read_only"}),
        ("docs=/srv/docs,hidden,guest,ro", "docs", "/srv/docs", {"read_only", "guest", "hidden"}),
        ("docs=/srv/docs,encrypt", "docs", "/srv/docs", {"encrypt"}),
        ("docs=/srv/docs,access-based", "docs", "/srv/docs", {"access_based"}),
        ("my docs=/srv/my docs", "my docs", "/srv/my docs", set()),
        ("a=/srv/x,y,ro", "a", "/srv/x,y", {"read_only"}),
        ("a=/srv/x=y", "a", "/srv/x=y", set()),
        ("a=ro", "a", "ro", set()),
        ("a=s3:bucket/key,ro", "a", "s3:bucket/key", {"read_only"}),
        ("a=/srv/x,RO", "a", "/srv/x,RO", set()),
    ],
)
def test_share_option(text: str, name: str, target: str, flags: dict[str, Any]) -> None:
    parsed = parse_share(text)
    assert (parsed.name, parsed.target.value) == (name, target)
    assert {flag for flag in ("read_only", "guest", "hidden", "encrypt", "access_based") if getattr(parsed, flag)} == flags


@pytest.mark.parametrize("text", ["", "docs", "docs=", "=/srv", "docs=,ro", "/srv/docs,ro"])
def test_share_option_without_name_or_target(text: str) -> None:
    with pytest.raises(ValueError, match=r"give NAME=TARGET\[,ro\]\[,guest\]\[,hidden\]\[,encrypt\]\[,access-based\]"):
        parse_share(text)


def test_options_override_a_file(write: Callable[[str], str]) -> None:
    mistakes: list[str] = []
    path = write(
        'listen = "tcp:1"\nauth = "memory:a:b"\nsigning = "required"\nmin-dialect = "3.0"\n'
        '[share.Docs]\ntarget = "/one"\nro = true\n[share.pub]\ntarget = "/pub"\n'
    )
    config = override(
        read(path, mistakes),
        ["tcp:2", "tcp:3"],
        ["docs=/two", "new=/new"],
        ["memory:c:d"],
        ["tcp:4"],
        {"signing": "when-asked", "guest": True},
        mistakes,
    )
    assert mistakes == []
    assert [said.value for said in config.listen] == ["tcp:2", "tcp:3"]
    assert [said.value for said in config.auth] == ["memory:c:d"]
    assert config.status == (Said("tcp:4", "--status"),)
    assert [(share.name, share.target.value, share.read_only) for share in config.shares] == [
        ("pub", "/pub", False),
        ("docs", "/two", False),
        ("new", "/new", False),
    ]
    assert config.settings == Settings(signing=Signing.WHEN_ASKED, min_dialect=Dialect.SMB_3_0, guest=True)


def test_options_not_given_leave_the_file(write: Callable[[str], str]) -> None:
    mistakes: list[str] = []
    path = write('listen = "tcp:1"\nstatus = "tcp:2"\nauth = "memory:a:b"\nguest = true\n[share.docs]\ntarget = "/one"\n')
    config = read(path, mistakes)
    assert override(config, [], [], [], [], {}, mistakes) == config
    assert mistakes == []


def test_mistakes_in_options_name_the_option() -> None:
    mistakes: list[str] = []
    override(Config(), [], ["docs"], [], [], {"max-dialect": "4", "encrypt": "on"}, mistakes)
    assert mistakes == [
        '--max-dialect: "4" is not accepted; give one of "2.0.2", "2.1", "3.0", "3.0.2", "3.1.1"',
        '--encrypt: "on" is not accepted; give one of "required", "when-asked", "off"',
        '--share: "docs" is not accepted; give NAME=TARGET[,ro][,guest][,hidden][,encrypt][,access-based]',
    ]


# Meaning


def test_what_can_be_served_has_no_mistakes() -> None:
    assert judged(SERVED) == []


def test_share_names_that_differ_in_case_only() -> None:
    config = dataclasses.replace(SERVED, shares=(share("Straße"), share("docs"), share("DOCS")))
    assert judged(config) == ['--share DOCS: there is a share "docs" already, and share names do not tell case apart']


@pytest.mark.parametrize("name", ["IPC$", "ipc$", "pipe", "a/b", "a\\b", "a\nb", "a:b", "", "x" * 81])
def test_share_names_that_cannot_be(name: str) -> None:
    (mistake,) = judged(dataclasses.replace(SERVED, shares=(share(name),)))
    assert mistake.startswith(f"--share {name}: ")


@pytest.mark.parametrize("name", ["docs$", "my docs", "Ablage-2026_ä", "x" * 80])
def test_share_names_that_can_be(name: str) -> None:
    assert judged(dataclasses.replace(SERVED, shares=(share(name),))) == []


@pytest.mark.parametrize(
    ("settings", "shares", "expected"),
    [
        ({"min_dialect": Dialect.SMB_3_0, "max_dialect": Dialect.SMB_2_1}, (), "min-dialect is later than max-dialect"),
        ({"encryption": Encryption.REQUIRED, "max_dialect": Dialect.SMB_2_1}, (), "needs max-dialect 3.0 or later"),
        ({"encryption": Encryption.OFF}, (share("safe", encrypt=True),), 'encrypt is "off" for the server'),
        ({"max_dialect": Dialect.SMB_2_1}, (share("safe", encrypt=True),), "needs max-dialect 3.0 or later"),
        (
            {},
            (share("safe", time_machine_size=1),),
            "--share safe: says time-machine-size, which counts for backups only; say time-machine = true as well",
        ),
        (
            {},
            (share("safe", time_machine=True, read_only=True),),
            "--share safe: says time-machine, but nobody could back up to a share that is read-only",
        ),
        ({}, (share("safe", continuous=True),), "--share safe: says continuous, which needs a folder to remember in; give state"),
        ({"limits": Limits(frame=1024 * 1024)}, (), "limits.frame must be limits.transfer and 65536 bytes more"),
    ],
)
def test_settings_that_contradict_each_other(settings: dict[str, Any], shares: tuple[ShareConfig, ...], expected: str) -> None:
    (mistake,) = judged(dataclasses.replace(SERVED, settings=Settings(**settings), shares=(*SERVED.shares, *shares)))
    assert expected in mistake


def test_no_share_tells_how_to_add_one() -> None:
    assert judged(dataclasses.replace(SERVED, shares=())) == [
        "twistd filesvc: no share; add --share NAME=TARGET[,ro][,guest][,hidden][,encrypt][,access-based], "
        "or a table [share.NAME] to a --config file"
    ]


@pytest.mark.parametrize(("guest", "share_guest"), [(False, False), (False, True), (True, False)])
def test_nobody_could_log_on(guest: bool, share_guest: bool) -> None:
    (mistake,) = judged(Config(shares=(share("docs", guest=share_guest),), settings=Settings(guest=guest)))
    assert "add --auth smbpasswd:FILE" in mistake
    assert "--guest" in mistake


def test_guests_are_enough() -> None:
    assert judged(Config(shares=(share("docs", guest=True),), settings=Settings(guest=True))) == []


def test_guest_share_on_a_server_without_guests_is_noted() -> None:
    config = dataclasses.replace(SERVED, shares=(share("docs"), share("pub", guest=True)))
    assert judged(config) == []
    assert notes(config) == ["--share pub: says guest, but guests get in only with --guest (guest = true) as well"]
    assert notes(dataclasses.replace(config, settings=Settings(guest=True))) == []


@pytest.mark.parametrize(
    ("where", "noted"),
    [
        ("tcp:9450", True),
        ("tcp:9450:interface=192.0.2.1", True),
        ("systemd:domain=INET:index=1", True),
        ("tcp:9450:interface=127.0.0.1", False),
        (r"tcp6:interface=\:\:1:port=9450", False),
        ("unix:/run/filesvc/status:mode=600", False),
    ],
)
def test_a_status_that_others_may_see_is_noted(where: str, noted: bool) -> None:
    config = dataclasses.replace(SERVED, status=(Said(where, "--status"),))
    assert (
        notes(config)
        == [f"--status: whoever reaches {where} sees the names of users and open files; add :interface=127.0.0.1, or give unix:PATH"]
        * noted
    )
    assert describe(config).endswith(f"; status on {where}")


def test_description_tells_what_where_to_whom_and_no_password() -> None:
    config = Config(
        listen=(Said("tcp:445", ""), Said("tcp:4455", "")),
        shares=(share("docs"), share("pub", read_only=True, guest=True, hidden=True, encrypt=True, access_based=True)),
        auth=(Said("smbpasswd:/etc/users", ""), Said("memory:alice:secret", "")),
        settings=Settings(guest=True),
    )
    assert describe(config) == (
        "docs (/srv), pub (/srv, read-only, guests, hidden, encrypted, by access) on tcp:445, tcp:4455 "
        "to guests and the users of smbpasswd:/etc/users, memory"
    )
