"""Reading: paths and directories as file systems really are."""

import asyncio
import os
from pathlib import Path

import pytest

from services._policy.parse import MOST_BYTES
from services._policy.read import MOST_FILES, PathReader, Unreadable, read_path, reader_of

GOOD = "version: 1\n"


def names(directory: Path) -> list[str]:
    return [file.name.rpartition("/")[2] for file in read_path(str(directory)).files.files]


def refused(location: object) -> str:
    with pytest.raises(Unreadable) as unreadable:
        read_path(str(location))
    return str(unreadable.value)


def test_a_directory_is_its_yaml_files_without_hidden_and_backup_names(tmp_path: Path) -> None:
    """Field point 7."""
    for name in ("b.yaml", "a.yml", "notes.txt", ".hidden.yaml", "b.yaml~", "b.yaml.bak", "c.bak.yaml", "#b.yaml#"):
        (tmp_path / name).write_text(GOOD)
    for name in (".#b.yaml", "d.orig.yml", "e~.yaml", "~$f.yaml", "g.tmp.yaml", "h.YAML"):
        (tmp_path / name).write_text(GOOD)
    (tmp_path / "folder.yaml").mkdir()
    assert names(tmp_path) == ["a.yml", "b.yaml"]


def test_the_layout_of_a_config_map_is_read_through_its_links(tmp_path: Path) -> None:
    """Field point 5: ``..data`` points to the present version, and is swapped in one step."""
    for version in ("one", "two"):
        (tmp_path / f"..{version}").mkdir()
        (tmp_path / f"..{version}" / "policy.yaml").write_text(f"version: 1 # {version}\n")
    (tmp_path / "..data").symlink_to("..one")
    (tmp_path / "policy.yaml").symlink_to("..data/policy.yaml")
    first = read_path(str(tmp_path))
    assert names(tmp_path) == ["policy.yaml"]
    (tmp_path / "..new").symlink_to("..two")
    (tmp_path / "..new").rename(tmp_path / "..data")
    assert read_path(str(tmp_path)).files.digest != first.files.digest


def test_modification_times_are_no_evidence(tmp_path: Path) -> None:
    """Field point 5."""
    file = tmp_path / "p.yaml"
    file.write_text("version: 1 # a\n")
    os.utime(file, (1, 1))
    first = read_path(str(file)).files.digest
    file.write_text("version: 1 # b\n")
    os.utime(file, (1, 1))
    assert read_path(str(file)).files.digest != first


def test_the_inode_shows_that_a_file_was_replaced(tmp_path: Path) -> None:
    """Field point 4: a container with a single file mounted goes on seeing the old inode."""
    file, new = tmp_path / "p.yaml", tmp_path / "new"
    file.write_text(GOOD)
    first = read_path(str(file)).inode
    file.write_text(GOOD + "# in place\n")
    assert read_path(str(file)).inode == first
    new.write_text(GOOD)
    new.rename(file)
    assert read_path(str(file)).inode != first


def test_what_is_missing_or_no_file_is_said(tmp_path: Path) -> None:
    assert refused(tmp_path / "none.yaml") == (
        f"{tmp_path}/none.yaml is not there: mount the policy's directory, or correct SUREFOOT_POLICY"
    )
    assert refused(tmp_path) == f"{tmp_path} has no *.yaml and no *.yml"
    os.mkfifo(tmp_path / "pipe")
    assert refused(tmp_path / "pipe") == f"{tmp_path}/pipe is neither a file nor a directory"
    (tmp_path / "loop").symlink_to("loop")
    assert "cannot be read" in refused(tmp_path / "loop")
    assert refused("a\0b") == "SUREFOOT_POLICY is no path"
    (tmp_path / "gone.yaml").symlink_to("nowhere")
    assert refused(tmp_path) == f"{tmp_path} has no *.yaml and no *.yml"


def test_what_may_not_be_read_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, mode: str = "r") -> None:
        raise PermissionError(13, "Permission denied", str(path))

    (tmp_path / "p.yaml").write_text(GOOD)
    monkeypatch.setattr(Path, "open", refuse)  # root may read everything
    assert refused(tmp_path) == f"{tmp_path}/p.yaml may not be read by this process: correct its mode"


def test_size_and_number_are_bounded_before_anything_is_parsed(tmp_path: Path) -> None:
    """Field point 2: a file that has grown beyond the limit is refused, and ends nothing."""
    (tmp_path / "big.yaml").write_bytes(b"#" * (MOST_BYTES + 1))
    assert f"more than {MOST_BYTES} bytes" in refused(tmp_path / "big.yaml")
    (tmp_path / "big.yaml").write_bytes(b"#" * (MOST_BYTES - 10))
    (tmp_path / "more.yaml").write_bytes(b"#" * 20)
    assert "together" in refused(tmp_path)
    many = tmp_path / "many"
    many.mkdir()
    for number in range(MOST_FILES + 1):
        (many / f"{number}.yaml").write_text(GOOD)
    assert f"{MOST_FILES} are allowed" in refused(many)


async def test_a_reader_is_chosen_by_the_location(tmp_path: Path) -> None:
    async def call(*_: object, **__: object) -> dict[str, object]:
        raise AssertionError

    (tmp_path / "p.yaml").write_text(GOOD)
    reader = reader_of(str(tmp_path / "p.yaml"), call, "123456789012")
    assert isinstance(reader, PathReader)
    assert (await asyncio.wait_for(reader.read(), 5)).files.files[0].content == GOOD.encode()
    with pytest.raises(Unreadable, match="s3://BUCKET/KEY"):
        reader_of("s3://bucket", call, "123456789012")
