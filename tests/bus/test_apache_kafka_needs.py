"""What is missing for a real Kafka is said in a sentence."""

from pathlib import Path

import pytest

from sandbox.apache_kafka import ApacheKafka
from sandbox.child import NotStarted


def test_without_java(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NotStarted, match="needs Java 17 or newer, and there is no `java` on the PATH"):
        ApacheKafka(tmp_path).start()


def test_without_maven(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "java").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NotStarted, match="needs Maven to fetch it, and there is no `mvn` on the PATH"):
        ApacheKafka(tmp_path).start()


def test_with_a_java_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    java = tmp_path / "java"
    java.write_text("#!/bin/sh\necho too old >&2\nexit 1\n")
    java.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    home = tmp_path / "home"
    (home / "jars-4.4.0").mkdir(parents=True)
    with pytest.raises(NotStarted, match="Kafka's storage tool failed: too old"):
        ApacheKafka(home).start()
