import shutil
from pathlib import Path

import pytest

from benchmarks.bodies import digits, sentences
from benchmarks.load import Load, RequestsFailed, drive, post
from benchmarks.servers import echo

GENERATORS = [pytest.param(None, id="python")]
if wrk := shutil.which("wrk"):
    GENERATORS.append(pytest.param(wrk, id="wrk"))


@pytest.mark.parametrize("generator", GENERATORS)
def test_every_answer_is_counted_and_its_latency_told(
    generator: str | None, tiny_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.load.WRK", generator)
    bodies, headers = [b"so it goes", b"a film that goes on and on"], {"content-type": "text/plain"}
    load = drive(f"{tiny_url}/v1/models/length/predict", bodies, headers, connections=4, seconds=1)
    assert load.requests > 4
    assert 0 < load.p50 <= load.p99 < load.seconds
    assert load.failures == 0


@pytest.mark.parametrize("generator", GENERATORS)
def test_a_run_with_an_error_among_its_answers_measures_nothing(
    generator: str | None, tiny_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.load.WRK", generator)
    with pytest.raises(RequestsFailed, match="failed"):
        drive(f"{tiny_url}/v1/models/none/predict", [b"text"], {}, connections=2, seconds=1)


def test_too_few_answers_to_tell_a_rate_are_asked_for_once_more_and_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    """As of a machine so busy that in the time given nothing was answered at all."""

    def replay(url: str, requests: list[bytes], *, connections: int, seconds: float) -> Load:
        return Load(int(3 * (seconds - 1)), seconds, 0.1, 0.2, failures=0, refused=0)

    monkeypatch.setattr("benchmarks.load.replay", replay)
    load = drive("http://x/", [b""], {}, connections=1, seconds=1, enough=8)
    assert (load.requests, load.seconds) == (9, 4)
    with pytest.raises(RequestsFailed):
        drive("http://x/", [b""], {}, connections=1, seconds=1)


def test_a_request_is_written_with_its_query_headers_and_length() -> None:
    assert post("http://host:1/path?top_k=2", b"body", {"content-type": "text/plain"}) == (
        b"POST /path?top_k=2 HTTP/1.1\r\nhost: host:1\r\ncontent-length: 4\r\ncontent-type: text/plain\r\n\r\nbody"
    )


def test_the_processor_time_and_memory_of_a_server_are_those_of_all_its_processes() -> None:
    with echo(workers=2) as server:
        assert server.processes() >= 3
        before = server.cpu_seconds()
        load = drive(f"{server.url}/echo", [b"body"], {}, connections=8, seconds=1)
        spent = server.cpu_seconds() - before
        assert load.requests * 2e-6 < spent  # the parent, which alone would spend nothing, answers no request
        assert server.memory() > 3 * 2**20


def test_workloads_are_our_own_files_and_what_they_say() -> None:
    for workload in (digits(), sentences()):
        assert Path(workload.model / "model.onnx").exists()
        assert len(workload.rows()) == len(workload.bodies) >= 10
