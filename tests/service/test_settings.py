"""Settings come from the environment alone, are checked at start, and are what docs/operate.md says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from service.errors import ConfigurationError
from service.settings import PREFIX, Settings, load_settings, unknown_variables

GUIDE = Path(__file__).parents[2] / "docs" / "operate.md"


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No DIGITS_ variable of the machine reaches a test."""
    for name in Settings.model_fields:
        monkeypatch.delenv(PREFIX + name.upper(), raising=False)


def test_defaults_serve_the_shipped_model() -> None:
    """Nothing needs to be set."""
    settings = load_settings()
    assert settings.model.name == "digits"
    assert settings.provider == "auto"
    assert settings.api_key == ()


def test_keys_are_split_and_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several keys stand in one variable, and no representation gives them away."""
    monkeypatch.setenv("DIGITS_API_KEY", "first-key, second-key,")
    settings = load_settings()
    assert [key.get_secret_value() for key in settings.api_key] == ["first-key", "second-key"]
    assert "first-key" not in repr(settings)


@pytest.mark.parametrize("value", ["", ",", "  ", " , ,"])
def test_a_list_of_keys_without_a_key_stops_the_start(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """A secret that came out empty must not leave the service open."""
    monkeypatch.setenv("DIGITS_API_KEY", value)
    with pytest.raises(ConfigurationError, match="DIGITS_API_KEY is set, but there is no key in it"):
        load_settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [("PROVIDER", "gpu"), ("THREADS", "0"), ("WORKERS", "many"), ("TIMEOUT_S", "-1"), ("MAX_BODY_MIB", "0")],
)
def test_a_bad_value_names_its_variable(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """The error has the variable, the value and what was expected, in one line."""
    monkeypatch.setenv(PREFIX + name, value)
    with pytest.raises(ConfigurationError, match=rf"^bad setting: {PREFIX}{name}='{value}': input should be .*$"):
        load_settings()


def test_typing_errors_are_noticed_and_kubernetes_own_variables_are_not() -> None:
    """DIGITS_TIMOUT_S is reported; what Kubernetes injects for a Service called digits is left alone."""
    environment = {
        "DIGITS_TIMOUT_S": "3",
        "DIGITS_TIMEOUT_S": "3",
        "DIGITS_DATA": "x",
        "DIGITS_PORT_3000_TCP": "x",
        "DIGITS_SERVICE_HOST": "x",
        "HOME": "x",
    }
    assert unknown_variables(environment) == ["DIGITS_TIMOUT_S"]


def test_the_guide_lists_every_setting_with_its_default() -> None:
    """The settings table has one row for each field, with the default that the code has, and none besides."""
    rows = dict(re.findall(r"^\| `DIGITS_(\w+)` \| ([^|]*) \|", GUIDE.read_text(), re.MULTILINE))
    assert set(rows) == {name.upper() for name in Settings.model_fields} | {"DATA"}
    for name, field in Settings.model_fields.items():
        shown = rows[name.upper()].strip().strip("`")
        if isinstance(field.default, Path):
            assert field.default.as_posix().endswith(shown)
        elif field.default == ():
            assert shown == "none", name
        else:
            assert shown == str(field.default).lower(), name
