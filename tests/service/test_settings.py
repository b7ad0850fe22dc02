import re
from dataclasses import fields
from pathlib import Path

import pytest

from service.errors import SettingsError
from service.settings import Settings, variable
from tests.conftest import ROOT


def test_nothing_set_gives_the_defaults() -> None:
    assert Settings.from_env({"PATH": "/bin"}) == Settings()


def test_each_setting_is_read_from_its_variable() -> None:
    settings = Settings.from_env({"MAXPOOL_PORT": "9000", "MAXPOOL_MODELS": "/m", "MAXPOOL_PROVIDER": "cpu"})
    assert (settings.port, settings.models, settings.provider) == (9000, Path("/m"), "cpu")


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("MAXPOOL_PORT", "many", "whole number"),
        ("MAXPOOL_PORT", "70000", "at most 65535"),
        ("MAXPOOL_QUEUE_ROWS", "0", "at least 1"),
        ("MAXPOOL_LOG_LEVEL", "loud", "one of debug"),
        ("MAXPOOL_HOST", "0.0.0.0", "MAXPOOL_KEYS_FILE"),
        ("MAXPOOL_HOST", "::", "MAXPOOL_ALLOW_ANONYMOUS=1"),
        ("MAXPOOL_HOST", "", "expected 127.0.0.1"),
        ("MAXPOOL_HOST", "example.org", "expected 127.0.0.1"),
        ("MAXPOOL_ALLOW_ANONYMOUS", "2", "0 or 1"),
        ("MAXPOOL_ALLOW_ANONYMOUS", "yes", "whole number"),
        ("MAXPOOL_CORS_ORIGINS", "*", "https://example.org"),
        ("MAXPOOL_CORS_ORIGINS", "https://a.example/", "https://example.org"),
        ("MAXPOOL_CORS_ORIGINS", "http://a.example,a.example", "https://example.org"),
        ("MAXPOOL_TLS_CERTIFICATE", "a.crt", "with MAXPOOL_TLS_KEY"),
        ("MAXPOOL_TLS_KEY", "a.key", "with MAXPOOL_TLS_CERTIFICATE"),
        ("MAXPOOL_TRACES_SHARE", "1.5", "from 0 to 1"),
        ("MAXPOOL_TRACES_SHARE", "nan", "from 0 to 1"),
        ("MAXPOOL_TRACES_SHARE", "some", "expected a number"),
        ("MAXPOOL_TRACES_ENDPOINT", "collector:4318", "http://collector:4318"),
        ("MAXPOOL_TRACES_ENDPOINT", "http://collector:4318/v1/traces", "without /v1/traces"),
    ],
)
def test_a_wrong_setting_is_named_with_what_was_expected(variable: str, value: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words) as refusal:
        Settings.from_env({variable: value})
    assert variable in str(refusal.value)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "localhost"])
def test_this_machine_alone_needs_no_keys(host: str) -> None:
    assert Settings.from_env({"MAXPOOL_HOST": host}).host == host


@pytest.mark.parametrize("remedy", [{"MAXPOOL_KEYS_FILE": "keys.toml"}, {"MAXPOOL_ALLOW_ANONYMOUS": "1"}])
def test_others_are_let_in_with_keys_or_by_a_word(remedy: dict[str, str]) -> None:
    assert Settings.from_env({"MAXPOOL_HOST": "0.0.0.0", **remedy}).host == "0.0.0.0"


def test_a_misspelt_setting_is_told_and_those_of_the_scripts_and_the_client_are_not() -> None:
    environ = {"MAXPOOL_PROT": "1", "MAXPOOL_DATA": "data", "MAXPOOL_URL": "http://here", "MAXPOOL_PORT": "1"}
    assert Settings.unknown(environ) == ["MAXPOOL_PROT"]
    assert Settings.from_env(environ).port == 1


def test_the_page_of_the_settings_has_each_with_its_default() -> None:
    page = (ROOT / "docs/settings.md").read_text()
    rows = re.findall(r"^\| (`MAXPOOL_.+?`) \| (?:(.*?) )?\| .+ \|$", page, re.MULTILINE)
    written = {name: default for names, default in rows for name in re.findall(r"`(\w+)`", names)}
    settings = Settings()
    assert written.keys() == {variable(field.name) for field in fields(Settings)}
    shown = {"dialects": "all", "default_model": "", "predict_route": "", "health_route": ""}
    for field in fields(Settings):
        value = str(getattr(settings, field.name))
        default = shown.get(field.name, f"`{value}`" if value else "none")
        assert written[variable(field.name)] == default, field.name
