"""The index of decisions has every page, as the page itself says."""

import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "docs" / "adr"
PAGES = sorted(FOLDER.glob("[0-9]*.md"))
ROW = re.compile(r"^\| (\d+) \| \[(.*)\]\((.*)\) \| (.*) \| (\d{4}-\d\d-\d\d) \|$", re.MULTILINE)
HEAD = re.compile(r"# (\d+)\. (.*)\n\n((?:Accepted|Proposed|Superseded by \d+)), (\d{4}-\d\d-\d\d)\.\n")


def index() -> dict[str, tuple[str, str, str, str]]:
    rows = ROW.findall((FOLDER / "README.md").read_text())
    return {file: (number, title, status, date) for number, title, file, status, date in rows}


def test_the_index_lists_every_page_and_nothing_else() -> None:
    assert list(index()) == [page.name for page in PAGES]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_number_title_status_and_date_are_those_of_the_page(page: Path) -> None:
    head = HEAD.match(page.read_text())
    assert head, f"{page.name} does not begin as the template in docs/adr/README.md has it"
    number, title, status, date = head.groups()
    assert page.name.startswith(f"{int(number):04}-")
    assert index()[page.name] == (number, title, status.lower(), date)
