"""What stops no start is told: settings that are misspelt, keys that others may read."""

from pathlib import Path

import pytest

from services._chassis.oversights import exposed, misspelt
from services._chassis.process import Process
from services._chassis.settings import Settings, known_settings


def test_a_misspelt_setting_of_the_environment_is_named_with_the_nearest_one() -> None:
    (sentence,) = misspelt(["SUREFOOT_POLICY_SIGNED_BYY", "PATH", "REDIS_URL"])
    assert "there is no setting SUREFOOT_POLICY_SIGNED_BYY" in sentence
    assert "did you mean SUREFOOT_POLICY_SIGNED_BY?" in sentence
    assert "SUREFOOT_SIGNATURES" in next(misspelt(["surefoot_signature"]))


def test_no_setting_and_nothing_of_the_command_line_is_taken_for_a_mistake() -> None:
    ours = [*map(str.upper, known_settings()), "SUREFOOT_CONFIG", "SUREFOOT_URL", "SUREFOOT_API_KEY", "SUREFOOT_UID"]
    assert list(misspelt(ours)) == []


@pytest.mark.parametrize(("mode", "who"), [(0o600, ""), (0o400, ""), (0o640, "its group"), (0o644, "others")])
def test_a_private_key_that_others_may_read_is_told(mode: int, who: str, tmp_path: Path) -> None:
    key = tmp_path / "key.pem"
    key.write_text("secret")
    key.chmod(mode)
    told = exposed(key)
    assert bool(told) == bool(who)
    assert who in told
    assert "secret" not in told
    assert exposed(tmp_path / "none") == ""


def test_a_start_tells_both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUREFOOT_ACESS", "demanded")
    key = tmp_path / "health.pem"
    key.touch()
    key.chmod(0o644)
    process = Process(("services.health",), Settings(surefoot_signing_key=str(tmp_path / "{party}.pem")))
    process.report_oversights()
    setting, private = process.readiness.degraded
    assert "did you mean SUREFOOT_ACCESS?" in setting
    assert "health.pem has a private key" in private
