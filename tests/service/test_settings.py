from dataclasses import fields
from pathlib import Path

import pytest

from service.errors import SettingsError
from service.settings import Settings


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
    ],
)
def test_a_wrong_setting_is_named_with_what_was_expected(variable: str, value: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words) as refusal:
        Settings.from_env({variable: value})
    assert variable in str(refusal.value)


def test_a_misspelt_setting_is_told_and_those_of_the_scripts_and_the_client_are_not() -> None:
    environ = {"MAXPOOL_PROT": "1", "MAXPOOL_DATA": "data", "MAXPOOL_URL": "http://here", "MAXPOOL_PORT": "1"}
    assert Settings.unknown(environ) == ["MAXPOOL_PROT"]
    assert Settings.from_env(environ).port == 1


def test_the_readme_s_table_has_every_setting() -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    for field in fields(Settings):
        assert f"`MAXPOOL_{field.name.upper()}`" in readme
