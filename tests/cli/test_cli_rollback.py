"""A snapshot is named by the beginning of its id."""

from typing import Any, cast

import pytest
from rich.console import Console

from surefoot.client import Surefoot
from surefoot.exit_codes import Exit
from surefoot.output import CannotDo
from surefoot.rollback import roll_back

KNOWN = ("20261125_140350_1a2b3c4d", "20261125_140350_99999999", "20261124_090000_00000000")


class Api:
    def __init__(self, *known: str) -> None:
        self.known = known
        self.asked = ""

    def snapshots(self, _cluster: str, _service: str) -> dict[str, Any]:
        return {"snapshots": [{"snapshot_id": id_} for id_ in self.known]}

    def roll_back(self, _cluster: str, _service: str, snapshot_id: str, *, dry_run: bool) -> dict[str, Any]:
        assert dry_run
        self.asked = snapshot_id
        return {"changes": []}


def asked(snapshot: str, *known: str) -> str:
    api = Api(*known)
    code = roll_back(cast("Surefoot", api), "c", "s", snapshot, dry_run=True, as_json=True, console=Console())
    assert code == Exit.SUCCEEDED
    return api.asked


@pytest.mark.parametrize("snapshot", [KNOWN[1], "20261125_140350_9"])
def test_the_whole_id_or_its_beginning(snapshot: str) -> None:
    assert asked(snapshot, *KNOWN) == KNOWN[1]


@pytest.mark.parametrize(
    ("snapshot", "known", "said"),
    [
        ("20261125", KNOWN, "20261125 begins several snapshots: 20261125_140350_1a2b3c4d, 20261125_140350_99999999"),
        ("ID", KNOWN, "s has no snapshot ID; there are 20261125_140350_1a2b3c4d, "),
        ("ID", (), "s has no snapshot ID; there is none at all"),
    ],
)
def test_what_names_none_or_several_is_told(snapshot: str, known: tuple[str, ...], said: str) -> None:
    with pytest.raises(CannotDo, match=said):
        asked(snapshot, *known)
