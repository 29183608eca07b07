"""Links between the documents: each leads to a file that is there, and to a heading that is in it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(path for top in ("docs", "tests", "etc", "benchmarks") for path in (ROOT / top).rglob("*.md"))])

REPOSITORY = re.compile(r"https://(?:github\.com/filesvc/filesvc/(?:blob|tree)|raw\.githubusercontent\.com/filesvc/filesvc)/main/")
"""Where a file of this repository is for those who have none: README is shown by package indexes too."""

_LINK = re.compile(r"\]\(([^)\s]+)\)|^\[[^\]]+\]: (\S+)$", re.MULTILINE)
_CODE = re.compile(r"^```.*?^```$|`[^`\n]*`", re.MULTILINE | re.DOTALL)


def anchors(text: str) -> set[str]:
    """What the headings of a document can be called in a link to them."""
    headings = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^a-z0-9_ -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken(document: Path, text: str) -> list[str]:
    """The links of a document that lead nowhere. Those to other hosts are left alone."""
    wrong = []
    for inline, reference in _LINK.findall(_CODE.sub("", text)):
        link = inline or reference
        target, _, anchor = link.partition("#")
        path = document.parent / target if target else document
        if REPOSITORY.match(link):
            path = ROOT / REPOSITORY.sub("", target)
        elif link.startswith(("https://", "http://")):
            continue
        if not path.exists() or (anchor and anchor not in anchors(path.read_text())):
            wrong.append(link)
    return wrong


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    assert broken(document, document.read_text()) == []


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("[a](there.md) [b](there.md#a-heading) [c](https://example.com/x)", []),
        ("[a](elsewhere.md)", ["elsewhere.md"]),
        ("[a](there.md#another)", ["there.md#another"]),
        ("[a](#nothing)", ["#nothing"]),
        ("`[a](elsewhere.md)`", []),
        ("[a]\n\n[a]: elsewhere.md", ["elsewhere.md"]),
        ("[a](https://github.com/filesvc/filesvc/blob/main/README.md#filesvc)", []),
        ("[a](https://github.com/filesvc/filesvc/tree/main/elsewhere)", ["https://github.com/filesvc/filesvc/tree/main/elsewhere"]),
    ],
)
def test_a_link_that_leads_nowhere_is_found(tmp_path: Path, text: str, wrong: list[str]) -> None:
    (tmp_path / "there.md").write_text("# A heading\n")
    document = tmp_path / "document.md"
    document.write_text(text)
    assert broken(document, text) == wrong


def test_every_document_is_in_the_table_of_documents() -> None:
    table = (ROOT / "docs" / "README.md").read_text()
    assert [path.name for path in (ROOT / "docs").glob("*.md") if path.name != "README.md" and f"({path.name})" not in table] == []
