"""What can be set, and what is refused."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from services.validator.domain.suites import API, SMOKE, HttpTest, Stubbornness, backoff
from services.validator.settings import Settings


def test_the_defaults_are_the_guide_s() -> None:
    settings = Settings()
    assert [test.path for test in settings.smoke_tests] == ["/health", "/health/ready", "/api/v1/", "/docs"]
    assert [test.critical for test in settings.smoke_tests] == [True, True, True, False]
    assert {"/api/v1/", "/api/v1/cases", "/api/v1/documents"} < {test.path for test in settings.api_tests}
    assert (settings.success_rate_percent, settings.response_time_seconds) == (90, 5)
    stubborn = settings.stubbornness
    assert (stubborn.timeout("smoke"), stubborn.timeout("api")) == (10, 15)
    assert [stubborn.attempts(test) for test in SMOKE] == [4, 4, 4, 2]
    assert [backoff(attempt) for attempt in range(3)] == [1, 2, 4]


def test_another_application_names_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "surefoot.yaml"
    file.write_text(
        """
validation_timeout_minutes: 4
smoke_tests:
  - {name: alive, path: /ping, expected: [200, 204], critical: true}
stubbornness: {critical_retries: 1}
base_urls: {Main/shop: "https://shop.example"}
image_policy: task-definition
"""
    )
    monkeypatch.setenv("SUREFOOT_CONFIG", str(file))
    settings = Settings()
    assert settings.smoke_tests == (
        HttpTest(name="alive", path="/ping", expected=frozenset({200, 204}), critical=True),
    )
    assert settings.api_tests == API
    assert settings.stubbornness == Stubbornness(critical_retries=1)
    assert settings.base_urls == {"Main/shop": "https://shop.example"}
    assert (settings.image_policy, settings.validation_timeout_minutes) == ("task-definition", 4)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("smoke_tests", ()),
        ("smoke_tests", [{"name": "a", "path": "health"}]),
        ("smoke_tests", [{"name": "a", "path": "//evil.example/"}]),
        ("smoke_tests", [{"name": "a", "path": "/a b"}]),
        ("smoke_tests", [{"name": "a", "path": "/a\r\nhost: b"}]),
        ("smoke_tests", [{"name": "a", "path": "/a", "expected": []}]),
        ("smoke_tests", [{"name": "a", "path": "/a", "expected": [42]}]),
        ("smoke_tests", [{"name": "a", "path": "/a", "expcted": [200]}]),
        ("base_urls", {"Main/api": "ftp://host"}),
        ("base_urls", {"Main/api": "https://host/path"}),
        ("base_urls", {"Main/api": "https://user:password@host"}),
        ("image_policy", "linux/arm64"),
        ("success_rate_percent", 101),
        ("stubbornness", {"smoke_timeout_seconds": 0}),
        ("stubbornness", {"critical_retries": 99}),
    ],
)
def test_a_wrong_value_is_refused(name: str, value: object) -> None:
    with pytest.raises(ValidationError, match=name):
        Settings.model_validate({name: value})
