"""The changelog: towncrier can write it, and what waits to be written is named and put as it must be."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import filesvc

ROOT = Path(__file__).parents[2]
TOWNCRIER = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["towncrier"]
KINDS = [kind["directory"] for kind in TOWNCRIER["type"]]
FRAGMENTS = sorted(path for path in (ROOT / "newsfragments").iterdir() if path.name not in ("README.md", "template.jinja"))


def faults(name: str, text: str) -> list[str]:
    """What is wrong with a fragment."""
    wrong = []
    if not re.fullmatch(rf"[a-z0-9]+(-[a-z0-9]+)*\.({'|'.join(KINDS)})\.md", name):
        wrong.append(f"{name} is not called TOPIC.KIND.md; kinds are {', '.join(KINDS)}")
    if not re.fullmatch(r"[A-Z0-9`*](?:.|\n(?=\S))*\.\n", text):
        wrong.append(f"{name} is not one sentence")
    return wrong


@pytest.mark.parametrize("fragment", FRAGMENTS, ids=lambda path: path.name)
def test_fragments_are_named_and_written_well(fragment: Path) -> None:
    assert faults(fragment.name, fragment.read_text()) == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("units.md", "Units.\n"),
        ("units.change.md", "Units.\n"),
        ("Some units.feature.md", "Units.\n"),
        ("units.feature.rst", "Units.\n"),
        ("units.feature.md", ""),
        ("units.feature.md", "units\n"),
        ("units.feature.md", "Units.\n\nThey are printed.\n"),
    ],
)
def test_faults_are_found(name: str, text: str) -> None:
    assert len(faults(name, text)) == 1


def test_readme_of_the_folder_names_the_kinds() -> None:
    assert all(f"`{kind}`" in (ROOT / "newsfragments" / "README.md").read_text() for kind in KINDS)


def test_towncrier_can_write_the_changelog() -> None:
    drafted = subprocess.run([sys.executable, "-m", "towncrier", "build", "--draft"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert drafted.returncode == 0, drafted.stderr
    assert f"## {filesvc.__version__} (" in drafted.stdout
    drafted_words = " ".join(drafted.stdout.split())
    for fragment in FRAGMENTS:
        assert f"- {' '.join(fragment.read_text().split())}" in drafted_words


def test_changelog_takes_the_news_and_tells_each_version_once() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text()
    assert TOWNCRIER["start_string"] in changelog
    versions = re.findall(r"^## (.*?)(?: \(.*\))?$", changelog, re.MULTILINE)
    assert filesvc.__version__ in versions
    assert len(versions) == len(set(versions))
