"""Rollouts of a running service of two workers: each model has one of its own."""

from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import grpc
import httpx2
import numpy as np
import pytest

from tests.conftest import eventually, free_port, write_colour
from tests.service.administrator import ADMIN, administered
from tests.service.candidates import (
    DIM,
    HTTP,
    OCHRE,
    RED,
    ask,
    ask_for,
    differing,
    failing,
    figures,
    judged,
    state_of,
    write_versions,
)
from tests.service.protocols.calls import Stub, pixels_in
from tests.service.protocols.infer import Pixels
from tests.service.slow import write_slow

RULE = {"rows": 20, "agreement": 0.9}
Service = tuple[Path, str, str]  # the models folder, and where it is asked over HTTP and over gRPC


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    models = tmp_path_factory.mktemp("rollout") / "models"
    write_versions(models, "watched", mode="shadow")
    write_versions(models, "equal", mode="shadow", rule=RULE)
    write_versions(models, "other", differing(), mode="shadow", rule=RULE)
    write_versions(models, "broken", failing(), mode="shadow", rule=RULE)
    write_versions(models, "called", mode="shadow")
    write_versions(models, "mixed", mode="canary", share=0.5)
    write_versions(models, "weak", failing(), mode="canary")
    write_versions(models, "plain")
    write_colour(models / "waiting" / "1")
    ask_for(models, "waiting", mode="shadow")
    write_colour(models / "late" / "1")
    ask_for(models, "late", mode="shadow")
    write_slow(models / "late" / "2", products=1)
    port = free_port()
    with administered(models, MAXPOOL_GRPC_PORT=str(port)) as (_, url):
        yield models, url, f"127.0.0.1:{port}"


def until_judged(url: str, name: str, *pictures: bytes) -> str:
    """Meanwhile it is asked."""
    with httpx2.Client() as http:
        while state_of(url, name)["state"] == "running":
            for picture in pictures:
                assert ask(url, name, picture, http=http)[1] == "red"
    return judged(url, name)


def test_the_served_version_answers_and_the_candidate_runs_the_same_rows(service: Service) -> None:
    _, url, _ = service
    assert {ask(url, "watched", picture) for picture in (RED, DIM, OCHRE) * 4} == {("1", "red")}
    assert ask(url, "watched", version="2") == ("2", "red")
    eventually(lambda: figures(url, "watched")["rows"] == 12)
    told = state_of(url, "watched")
    assert (told["state"], told["figures"]["agreement"], told["figures"]["failures"]) == ("running", 1.0, 0.0)
    assert told["figures"]["score_shift"] == pytest.approx(0, abs=1e-6)
    assert told["figures"]["latency_ratio"] > 0
    metrics = HTTP.get(f"{url}/metrics").text
    assert 'maxpool_rollout_rows_total{model="watched",version="2"} 12.0' in metrics
    assert 'maxpool_rollout_state{model="watched",state="running",version="2"} 1.0' in metrics
    assert HTTP.get(f"{url}/v1/models/watched").json()["rollout"]["figures"]["rows"] == 12


def test_a_candidate_that_agrees_is_promoted_by_the_rule(service: Service) -> None:
    _, url, _ = service
    assert until_judged(url, "equal", RED, OCHRE) == "promoted"
    assert {ask(url, "equal") for _ in range(8)} == {("2", "red")}
    assert "agreement 1.0000" in state_of(url, "equal")["reason"]


def test_a_candidate_that_differs_is_rolled_back_by_the_rule(service: Service) -> None:
    _, url, _ = service
    assert ask(url, "other", OCHRE, version="2") == ("2", "green")
    assert until_judged(url, "other", OCHRE) == "rolled back"
    assert {ask(url, "other", OCHRE) for _ in range(8)} == {("1", "red")}
    assert "agreement 0.0000, expected 0.9" in state_of(url, "other")["reason"]


def test_a_candidate_that_fails_is_rolled_back_and_nobody_notices(service: Service) -> None:
    _, url, _ = service
    assert until_judged(url, "broken", DIM) == "rolled back"
    assert "failures" in state_of(url, "broken")["reason"]
    assert figures(url, "broken")["failed"] > 0


def test_a_slow_candidate_drops_rows_and_no_answer(service: Service) -> None:
    _, url, _ = service
    with httpx2.Client() as http:
        asked = 0
        while figures(url, "late")["dropped"] == 0:
            for _ in range(50):
                assert ask(url, "late", http=http) == ("1", "red")
            asked += 50
            assert asked < 5000
    eventually(lambda: figures(url, "late")["rows"] > 0)
    assert figures(url, "late")["latency_ratio"] > 10


def test_a_canary_answers_its_share_whole_by_one_version(service: Service) -> None:
    _, url, _ = service
    seen = Counter(ask(url, "mixed")[0] for _ in range(60))
    assert seen.keys() == {"1", "2"}
    assert {ask(url, "mixed", version="1")[0] for _ in range(10)} == {"1"}
    assert figures(url, "mixed")["answered"] == seen["2"]
    eventually(lambda: figures(url, "mixed")["rows"] == seen["2"])
    body = {"inputs": [{"name": "image", "shape": [2, 8, 8, 3], "datatype": "UINT8", "data": [0] * 2 * 8 * 8 * 3}]}
    spoken = {HTTP.post(f"{url}/v2/models/mixed/infer", json=body).json()["model_version"] for _ in range(30)}
    assert spoken == {"1", "2"}


def test_what_a_canary_fails_on_is_answered_by_the_served_version(service: Service) -> None:
    _, url, _ = service
    before = figures(url, "weak")
    assert {ask(url, "weak", RED) for _ in range(4)} == {("2", "red")}
    assert {ask(url, "weak", DIM) for _ in range(8)} == {("1", "red")}
    several = HTTP.post(f"{url}/v1/models/weak/predict", files=[("file", DIM), ("file", DIM)]).json()
    assert several["version"] == "1"
    assert [each["label"] for each in several["predictions"]] == ["red", "red"]
    after = figures(url, "weak")
    assert (after["failed"] - before["failed"], after["fallbacks"] - before["fallbacks"]) == (10, 9)
    failed = HTTP.post(f"{url}/v1/models/weak/versions/2/predict", content=DIM)
    assert (failed.status_code, failed.json()["reason"]) == (500, "InferenceFailed")


def test_over_grpc_it_is_the_same(service: Service) -> None:
    _, url, address = service
    before = figures(url, "watched")["rows"]
    dim = np.zeros((1, 8, 8, 3), np.uint8)
    dim[..., 0] = 200
    with grpc.insecure_channel(address) as channel:
        grpc.channel_ready_future(channel).result(timeout=60)

        def versions(name: str, pixels: Pixels, times: int, **fields: str) -> set[str]:
            ask = partial(Stub(channel).ModelInfer, model_name=name, **pixels_in(pixels), **fields)
            return {ask().model_version for _ in range(times)}

        assert versions("watched", dim, 1) == {"1"}
        eventually(lambda: figures(url, "watched")["rows"] == before + 1)
        assert versions("mixed", dim, 30) == {"1", "2"}
        assert versions("mixed", dim, 10, model_version="1") == {"1"}
        assert versions("weak", dim, 4) == {"1"}
        assert versions("weak", dim + np.uint8(1), 1) == {"2"}


def test_the_administrator_promotes_and_rolls_back(service: Service) -> None:
    models, url, _ = service
    road = f"{url}/v1/models/called/rollout"
    refused = HTTP.post(f"{road}/promote")
    assert (refused.status_code, refused.json()["reason"]) == (401, "Unauthorized")
    assert {ask(url, "called")[0] for _ in range(4)} == {"1"}
    promoted = HTTP.post(f"{road}/promote", headers=ADMIN)
    assert (promoted.status_code, promoted.json()["state"]) == (200, "promoted")
    assert {ask(url, "called")[0] for _ in range(8)} == {"2"}
    assert HTTP.post(f"{road}/rollback", headers=ADMIN).json()["state"] == "rolled back"
    assert {ask(url, "called")[0] for _ in range(8)} == {"1"}
    ask_for(models, "called", mode="canary")
    eventually(lambda: {ask(url, "called")[0] for _ in range(8)} == {"2"})
    (models / "called" / "rollout.json").write_text('{"serve": "1", "candidate": "1", "shares": 0}')
    eventually(lambda: all("problem" in state_of(url, "called") for _ in range(4)))  # in each process
    told = state_of(url, "called")
    assert (told["state"], told["mode"]) == ("running", "canary")
    assert "shares" in told["problem"]
    (models / "called" / "rollout.json").unlink()
    eventually(lambda: HTTP.get(road).status_code == 404)
    assert {ask(url, "called")[0] for _ in range(8)} == {"2"}


def test_a_candidate_that_is_not_there_is_waited_for(service: Service) -> None:
    models, url, _ = service
    assert ask(url, "waiting") == ("1", "red")
    told = state_of(url, "waiting")
    assert told["state"] == "waiting"
    assert "version 2 is not served: the models folder does not have it" in told["reason"]
    promoted = HTTP.post(f"{url}/v1/models/waiting/rollout/promote", headers=ADMIN)
    assert (promoted.status_code, promoted.json()["reason"]) == (400, "InvalidInput")
    write_colour(models.parent / "coming" / "waiting" / "2").rename(models / "waiting" / "2")
    eventually(lambda: state_of(url, "waiting")["state"] == "running")
    assert {ask(url, "waiting")[0] for _ in range(8)} == {"1"}


def test_without_a_rollout_the_highest_answers_and_there_is_nothing_to_end(service: Service) -> None:
    _, url, _ = service
    assert {ask(url, "plain")[0] for _ in range(8)} == {"2"}
    missing = HTTP.post(f"{url}/v1/models/plain/rollout/promote", headers=ADMIN)
    assert (missing.status_code, missing.json()["reason"]) == (404, "NotFound")
    assert "rollout.json" in missing.json()["error"]
    assert "rollout" not in HTTP.get(f"{url}/v1/models").text
