"""8.3 names."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from filesvc.dtyp.status import Status
from filesvc.fscc.file_information import FileInformationClass
from filesvc.fscc.name_information import FileAlternateNameInformation
from filesvc.server.files.short_names import ShortNames
from filesvc.smb2.header import Command
from filesvc.smb2.messages.query_info import InfoType, QueryInfoRequest, QueryInfoResponse

from .dialogue import Client


@given(st.text(min_size=1, max_size=40))
def test_any_name_has_a_short_one_that_leads_back(name: str) -> None:
    names = ShortNames()
    short = names.of(name)
    assert re.fullmatch(r"[^.a-z]{1,8}(\.[^.a-z]{1,3})?", short)
    assert names.of(name) == short
    if short != name.upper():
        assert names.expand(("folder", short.lower())) == ("folder", name)


def test_names_that_fit_are_their_own() -> None:
    names = ShortNames()
    assert names.of("Readme.txt") == "README.TXT"
    assert names.expand(("README~1.TXT",)) == ("README~1.TXT",)


def test_only_the_latest_are_kept() -> None:
    names = ShortNames(capacity=2)
    shorts = [names.of(f"a long name {number}") for number in range(6)]
    kept = [names.expand((short,))[0].startswith("a long name") for short in shorts]
    assert kept == [False, False, True, True, True, True]


def test_a_file_is_found_by_the_short_name_that_was_told(client: Client) -> None:
    file_id = client.open("a name that is long")
    request = QueryInfoRequest(file_id, InfoType.FILE, FileInformationClass.ALTERNATE_NAME, 100)
    answer = client.ask(Command.QUERY_INFO, request.encode())
    short = FileAlternateNameInformation.parse(memoryview(QueryInfoResponse.parse(answer.message).buffer)).file_name
    assert client.create(short, disposition=1).status is Status.SUCCESS
