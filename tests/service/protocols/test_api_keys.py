import logging
import re
import subprocess
import time
import tomllib
from pathlib import Path

import pytest

from service.errors import Forbidden, SettingsError, Unauthorized
from service.limits import Limits
from service.metrics import Metrics
from service.protocols.api_keys import ApiKeys, Entry
from tests.conftest import ROOT
from tests.service.keyholders import KEYS, digest, entry, write_keys


def read(file: Path, admin: bytes | None = None) -> ApiKeys:
    return ApiKeys(str(file), Limits(1), Metrics().rejected, admin)


def names(keys: ApiKeys) -> set[str]:
    found = set()
    for key in (*KEYS.values(), "new", "old"):
        try:
            found.add(keys.find(f"Bearer {key}").name)
        except Unauthorized:
            continue
    return found


def test_a_key_is_found_by_its_bearer_alone(tmp_path: Path) -> None:
    keys = read(write_keys(tmp_path / "keys"))
    key = KEYS["painter"]
    for right in (f"Bearer {key}", f"bearer {key}", f"Bearer  {key} "):
        assert keys.find(right).name == "painter"
    for wrong in ("", key, "Bearer", "Bearer ", f"Basic {key}", f"Bearer {key}x", f"Bearer {key[:-1]}", "Bearer \xff"):
        with pytest.raises(Unauthorized) as refusal:
            keys.find(wrong)
        assert key not in str(refusal.value)
    with pytest.raises(Unauthorized):
        keys.find(f"Bearer {digest(key)}")


def test_every_digest_is_compared_whatever_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that neither the time nor its absence tells which keys there are."""
    keys = read(write_keys(tmp_path / "keys"))
    compared = []
    compare = __import__("hmac").compare_digest
    monkeypatch.setattr("hmac.compare_digest", lambda a, b: compared.append((len(a), len(b))) or compare(a, b))
    for given in (KEYS["painter"], KEYS["all"]):
        keys.find(f"Bearer {given}")
    with pytest.raises(Unauthorized):
        keys.find("")
    assert compared == [(32, 32)] * 9


def test_a_key_is_for_its_models_or_for_all(tmp_path: Path) -> None:
    keys = read(write_keys(tmp_path / "keys"))
    keys.find(f"Bearer {KEYS['painter']}").check_model("colour")
    keys.find(f"Bearer {KEYS['all']}").check_model("length")
    for name, model in (("painter", "length"), ("monitor", "colour")):
        with pytest.raises(Forbidden, match=model):
            keys.find(f"Bearer {KEYS[name]}").check_model(model)


@pytest.mark.parametrize(
    ("written", "words"),
    [
        pytest.param("", "no keys", id="empty"),
        pytest.param("[a", "not TOML", id="no TOML"),
        pytest.param("a = " + "[" * 100_000, "not TOML", id="deep"),
        pytest.param('a = "the key itself"', "a: Input should be", id="no table"),
        pytest.param('[a]\ndigests = ["the key itself"]', "a.digests.0", id="no digest"),
        pytest.param("[a]\ndigests = []", "a.digests", id="no digests"),
        pytest.param("[a]\nmodels = []", "a.digests: Field required", id="digests left out"),
        pytest.param(entry("a", "x", modles=["colour"]), "a.modles", id="misspelt"),
        pytest.param(entry("a", "x", models="colour"), "a.models", id="a word for a list"),
        pytest.param(entry("a", "x", rate=0), "a.rate", id="rate of nothing"),
        pytest.param(entry("a", "x", rate=1e-9), "a.rate", id="rate of hardly anything"),
        pytest.param(entry("a", "x") + "rate = nan\n", "a.rate", id="rate of no number"),
        pytest.param(entry("a", "x", rate=1, burst=0), "a.burst", id="burst"),
        pytest.param(entry("a", "x", concurrency=1.5), "a.concurrency", id="half a request"),
        pytest.param(entry("a", "x") + entry("b", "x"), "a digest twice", id="two with one key"),
        pytest.param(entry("a", "the administrator's"), "the administrator's key", id="administrator"),
    ],
)
def test_a_wrong_file_is_refused_and_not_quoted(tmp_path: Path, written: str, words: str) -> None:
    (tmp_path / "keys").write_text(written)
    admin = bytes.fromhex(digest("the administrator's").removeprefix("sha256:"))
    with pytest.raises(SettingsError, match="MAXPOOL_KEYS_FILE") as refusal:
        read(tmp_path / "keys", admin)
    assert words in str(refusal.value)
    assert "the key itself" not in str(refusal.value)


def test_a_file_that_can_not_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="FileNotFoundError"):
        read(tmp_path / "nothing")
    (tmp_path / "keys").write_bytes(b"\xff")
    with pytest.raises(SettingsError, match="not UTF-8"):
        read(tmp_path / "keys")


def test_a_changed_file_is_taken_up_and_a_broken_one_is_not(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = write_keys(tmp_path / "keys", entry("turning", "old"))
    keys = read(file)
    assert names(keys) == {*KEYS, "turning"}
    write_keys(file, entry("turning", "old", "new"))
    keys.refresh()
    assert {keys.find(f"Bearer {key}").name for key in ("old", "new")} == {"turning"}
    for break_it in (lambda: file.write_text("broken"), file.unlink):
        break_it()
        caplog.clear()
        for _ in range(3):
            keys.refresh()
        assert [record.levelno for record in caplog.records] == [logging.ERROR]
        assert names(keys) == {*KEYS, "turning"}
    write_keys(file, entry("turning", "new"))
    keys.refresh()
    assert names(keys) == {*KEYS, "turning"}
    with pytest.raises(Unauthorized):
        keys.find("Bearer old")


def test_a_limit_goes_on_when_the_file_is_read_again(tmp_path: Path) -> None:
    file = write_keys(tmp_path / "keys", entry("limited", "new", concurrency=1))
    keys = read(file)
    under_way = keys.find("Bearer new")
    under_way.enter()
    write_keys(file, entry("limited", "new", "old", concurrency=2))
    time.sleep(0.01)
    keys.refresh()
    later = keys.find("Bearer old")
    later.enter()
    with pytest.raises(Exception, match="2 requests of this key are under way"):
        later.enter()
    under_way.leave()
    later.enter()


def test_the_commands_of_the_docs_make_a_key_and_its_file(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "operations.md").read_text().partition("\n## Keys\n")[2]
    commands = re.findall(r"```console\n(.+?)MAXPOOL_KEYS_FILE=keys.toml", page, re.DOTALL)[0]
    subprocess.run(["bash", "-euc", commands], cwd=tmp_path, check=True, capture_output=True)
    keys = read(tmp_path / "keys.toml")
    assert keys.find(f"Bearer {(tmp_path / 'phone.key').read_text().strip()}").name == "phone"
    (example,) = re.findall(r"```toml\n(.+?)```", page, re.DOTALL)
    for given in tomllib.loads(re.sub(r"sha256:\w+…", digest("any"), example)).values():
        Entry.model_validate(given)
