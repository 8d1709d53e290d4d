"""What is missing for a real Kafka is said in a sentence."""

from pathlib import Path

import pytest

from sandbox.apache_kafka import VERSION, ApacheKafka, Unavailable
from sandbox.child import NotStarted

JAVA = '#!/bin/sh\necho \'openjdk version "{version}"\' >&2\n[ "$1" = -version ] && exit 0\necho broken >&2\nexit 1\n'


def program(directory: Path, name: str, text: str) -> None:
    path = directory / name
    path.write_text(text)
    path.chmod(0o755)


@pytest.fixture(autouse=True)
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def test_without_java(path: Path) -> None:
    with pytest.raises(Unavailable, match="needs Java 17 or newer, and there is no `java` on the PATH"):
        ApacheKafka(path).start()


@pytest.mark.parametrize("version", ["1.8.0_402", "11.0.22"])
def test_with_an_old_java(path: Path, version: str) -> None:
    program(path, "java", JAVA.format(version=version))
    with pytest.raises(Unavailable, match="needs Java 17 or newer, and `java` says that it is version"):
        ApacheKafka(path).start()


def test_without_maven(path: Path) -> None:
    program(path, "java", JAVA.format(version="17.0.15"))
    with pytest.raises(Unavailable, match="needs Maven to fetch it, and there is no `mvn` on the PATH"):
        ApacheKafka(path).start()


def test_with_a_maven_that_cannot_fetch(path: Path) -> None:
    program(path, "java", JAVA.format(version="21"))
    program(path, "mvn", "#!/bin/sh\necho no network\nexit 1\n")
    with pytest.raises(Unavailable, match=r"could not be fetched\. Maven failed: no network"):
        ApacheKafka(path).start()


def test_with_a_java_that_fails(path: Path) -> None:
    program(path, "java", JAVA.format(version="17.0.15"))
    (path / f"jars-{VERSION}").mkdir()
    with pytest.raises(NotStarted, match="Kafka's storage tool failed: openjdk"):
        ApacheKafka(path).start()
