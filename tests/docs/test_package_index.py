"""What a package index shows of the project: README as its page renders it, and the links beside it."""

from __future__ import annotations

import configparser
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from readme_renderer import markdown

from .test_links import REPOSITORY

ROOT = Path(__file__).parents[2]


class Page(HTMLParser):
    """The links and pictures of a page, and the places in it that links can lead to."""

    def __init__(self, readme: str) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.places: set[str] = set()
        rendered = markdown.render(readme)
        assert rendered is not None
        self.feed(rendered)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        for name, value in attributes:
            if name in ("href", "src"):
                self.targets.append(value or "")
            elif name == "id":
                self.places.add(f"#{value}")

    def lost(self) -> list[str]:
        """The links that lead nowhere from an index's page."""
        return [target for target in self.targets if target not in self.places and not target.startswith("https://")]


def test_links_and_pictures_of_readme_work_on_an_index() -> None:
    page = Page((ROOT / "README.md").read_text())
    assert "https://raw.githubusercontent.com/filesvc/filesvc/main/docs/benchmarks.png" in page.targets
    assert page.lost() == []


@pytest.mark.parametrize("link", ["[a](docs/security.md)", "![a](docs/benchmarks.png)", "[a](#nothing)", "[a][b]\n\n[b]: etc"])
def test_a_link_that_is_lost_is_found(link: str) -> None:
    assert len(Page(f"# A heading\n\n{link}\n").lost()) == 1


def test_project_links_lead_somewhere() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    links = dict(re.findall(r"^(\w+) = (\S+)$", setup["metadata"]["project_urls"], re.MULTILINE))
    assert {"Homepage", "Documentation", "Changelog", "Issues"} <= links.keys()
    for link in links.values():
        assert link.startswith("https://github.com/filesvc/filesvc")
        assert not REPOSITORY.match(link) or (ROOT / REPOSITORY.sub("", link)).exists(), link
