"""What names in requests stand for."""

from __future__ import annotations

import pytest

from filesvc.dtyp.status import Status
from filesvc.server.errors import StatusError
from filesvc.server.files.names import FileName, parse_name


@pytest.mark.parametrize(("name", "path"), [("a\\..", ()), ("a\\..\\b", ("b",)), ("a\\b\\..\\..\\c", ("c",))])
def test_a_step_back_inside_the_share(name: str, path: tuple[str, ...]) -> None:
    assert parse_name(name) == FileName(path)


@pytest.mark.parametrize("name", ["..", "..\\a", "a\\..\\..", "a\\..\\..\\share\\a"])
def test_no_step_leads_out_of_the_share(name: str) -> None:
    with pytest.raises(StatusError) as refused:
        parse_name(name)
    assert refused.value.status is Status.OBJECT_PATH_SYNTAX_BAD
