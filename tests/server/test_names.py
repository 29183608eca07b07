"""What names in requests stand for."""

from __future__ import annotations

import pytest

from filesvc.dtyp.status import Status
from filesvc.server.errors import StatusError
from filesvc.server.files.names import FileName, parse_name


@pytest.mark.parametrize(("name", "path"), [("a\\..", ()), ("a\\..\\b", ("b",)), ("a\\b\\..\\..\\c", ("c",))])
def test_a_step_back_inside_the_share(name: str, path: tuple[str, ...]) -> None:
    assert parse_name(name) == FileName(path)


@pytest.mark.parametrize(
    ("name", "path"), [(".", ()), ("a\\.", ("a",)), ("a\\.\\b", ("a", "b")), (".\\a\\..\\.\\b", ("b",)), ("a.\\.b", ("a.", ".b"))]
)
def test_a_dot_is_where_one_is(name: str, path: tuple[str, ...]) -> None:
    assert parse_name(name) == FileName(path)


@pytest.mark.parametrize("name", ["..", "..\\a", "a\\..\\..", "a\\..\\..\\share\\a", ".\\..", "a\\.\\..\\.."])
def test_no_step_leads_out_of_the_share(name: str) -> None:
    with pytest.raises(StatusError) as refused:
        parse_name(name)
    assert refused.value.status is Status.OBJECT_PATH_SYNTAX_BAD
