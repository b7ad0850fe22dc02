"""The container as docker-compose.yml and the Dockerfile say it: nothing that the service can do without."""

import copy
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parent.parent
DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["maxpool"]

Service = dict[str, Any]
HARDENED: dict[str, Callable[[Service], object]] = {
    "nobody's user": lambda service: re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", service["user"]),
    "reads only": lambda service: service["read_only"] is True,
    "no capabilities": lambda service: service["cap_drop"] == ["ALL"] and not service.get("cap_add"),
    "no new privileges": lambda service: "no-new-privileges:true" in service["security_opt"],
    "seccomp and AppArmor stay": lambda service: not any("unconfined" in each for each in service["security_opt"]),
    "a bounded number of processes": lambda service: 0 < service["pids_limit"] <= 1024,
    "bounded memory": lambda service: re.fullmatch(r"\$\{MEMORY:-\d+g\}", service["mem_limit"]),
    "a small /tmp that nothing runs from": lambda service: all(
        "noexec" in each and "size=" in each for each in service["tmpfs"]
    ),
    "an init that reaps": lambda service: service["init"] is True,
    "models can not be written": lambda service: all(volume.endswith(":ro") for volume in service["volumes"]),
    "this machine alone": lambda service: all(port.startswith("127.0.0.1:") for port in service["ports"]),
    "back after a crash": lambda service: service["restart"] == "unless-stopped",
    "nothing of the host": lambda service: not service.keys() & {"privileged", "network_mode", "pid", "ipc", "devices"},
}
SPOILED: dict[str, Service] = {
    "nobody's user": {"user": "0:0"},
    "reads only": {"read_only": False},
    "no capabilities": {"cap_add": ["NET_ADMIN"]},
    "no new privileges": {"security_opt": []},
    "seccomp and AppArmor stay": {"security_opt": ["no-new-privileges:true", "seccomp:unconfined"]},
    "a bounded number of processes": {"pids_limit": -1},
    "bounded memory": {"mem_limit": "0"},
    "a small /tmp that nothing runs from": {"tmpfs": ["/tmp"]},
    "an init that reaps": {"init": False},
    "models can not be written": {"volumes": ["./models:/app/models"]},
    "this machine alone": {"ports": ["8000:8000"]},
    "back after a crash": {"restart": "no"},
    "nothing of the host": {"network_mode": "host"},
}


@pytest.mark.parametrize("what", HARDENED)
def test_the_container_has(what: str) -> None:
    assert HARDENED[what](COMPOSE)
    assert not HARDENED[what](copy.deepcopy(COMPOSE) | SPOILED[what])


def test_the_image_ends_as_nobody_with_a_health_check_and_without_what_builds() -> None:
    *_, last = DOCKERFILE.split("\nFROM ")
    assert re.search(r"^USER (\S+)$", last, re.MULTILINE)[1] == COMPOSE["user"]  # type: ignore[index]
    assert re.search(r"^HEALTHCHECK .*--start-interval=1s", last, re.MULTILINE)
    assert re.search(r'^CMD \["', last, re.MULTILINE)  # no shell between the signals and the service
    assert "pip install" not in last
    assert not re.search(r"^(ADD|ENV .*(KEY|TOKEN|SECRET|PASSWORD))", DOCKERFILE, re.MULTILINE)


def test_the_build_is_sent_what_the_image_needs_and_no_more() -> None:
    ignored = (ROOT / ".dockerignore").read_text().split()
    assert ignored[0] == "*"
    assert {each for each in ignored if each.startswith("!")} == {
        "!pyproject.toml", "!constraints.txt", "!service", "!models",
    }  # fmt: skip
