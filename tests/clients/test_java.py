"""Java's own HTTP client, which offers HTTP/2 with each request over plain HTTP."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import plain

pytestmark = pytest.mark.skipif(shutil.which("javac") is None, reason="no JDK: apt-get install default-jdk-headless")

ASK = """
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Path;

class Ask {
    public static void main(String[] given) throws Exception {
        var client = HttpClient.newHttpClient();
        for (int number = 0; number < 3; number++) {
            var body = BodyPublishers.ofFile(Path.of(given[1]));
            if (number == 2) body = BodyPublishers.fromPublisher(body);  // of unknown length: in chunks
            var request = HttpRequest.newBuilder(URI.create(given[0])).POST(body).build();
            System.out.println(client.send(request, BodyHandlers.ofString()).body());
        }
    }
}
"""


def test_pictures_of_known_and_of_unknown_length_are_answered(tiny_url: str, tmp_path: Path) -> None:
    (tmp_path / "Ask.java").write_text(ASK)
    (tmp_path / "red.png").write_bytes(plain("red"))
    url = f"{tiny_url}/v1/models/colour/predict"
    said = subprocess.check_output(["java", tmp_path / "Ask.java", url, tmp_path / "red.png"], text=True)
    answers = [json.loads(line) for line in said.splitlines()]
    assert [answer["predictions"][0]["label"] for answer in answers] == ["red"] * 3
