"""The profiles of docker-compose.yml: what stands beside the service, and that it may do no more than it needs."""

import copy
import re
import shutil
import subprocess
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from tests.conftest import ROOT

TEXT = (ROOT / "docker-compose.yml").read_text()
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(TEXT)["services"]
OURS = {"maxpool", "replica"}  # of one image; tests/test_container.py has what each is bound to
OTHERS = sorted(SERVICES.keys() - OURS)

Service = dict[str, Any]
BOUND: dict[str, Callable[[Service], object]] = {
    "an image of one version": lambda service: re.search(r":v?\d+\.\d", service["image"]),
    "nobody's user": lambda service: re.fullmatch(r"[1-9]\d*:\d+", service["user"]),
    "reads only": lambda service: service["read_only"] is True,
    "no capabilities": lambda service: service["cap_drop"] == ["ALL"] and not service.get("cap_add"),
    "no new privileges": lambda service: service["security_opt"] == ["no-new-privileges:true"],
    "bounded": lambda service: service["mem_limit"] and service["pids_limit"],
    "this machine alone": lambda service: all(port.startswith("127.0.0.1:") for port in service["ports"]),
    "our files can not be written": lambda service: all(
        volume.endswith(":ro") for volume in service["volumes"] if volume.startswith(".")
    ),
    "no password in the file": lambda service: (
        not any(re.search("PASSWORD|SECRET|TOKEN", name) for name in service.get("environment", {}))
    ),
}
SPOILED: dict[str, Service] = {
    "an image of one version": {"image": "haproxy:latest"},
    "nobody's user": {"user": "0:0"},
    "reads only": {"read_only": False},
    "no capabilities": {"cap_add": ["NET_ADMIN"]},
    "no new privileges": {"security_opt": []},
    "bounded": {"mem_limit": None},
    "this machine alone": {"ports": ["9090:9090"]},
    "our files can not be written": {"volumes": ["./deploy:/etc/maxpool"]},
    "no password in the file": {"environment": {"GF_SECURITY_ADMIN_PASSWORD": "admin"}},
}


def test_without_a_profile_the_service_stands_alone() -> None:
    profiles = {name: service.get("profiles") for name, service in SERVICES.items()}
    assert profiles == {
        "maxpool": None,
        "replica": ["scale"],
        "proxy": ["scale"],
        "prometheus": ["observe"],
        "grafana": ["observe"],
    }


def test_a_replica_is_what_the_service_is_but_for_its_ports() -> None:
    same = {key: value for key, value in SERVICES["replica"].items() if key not in ("profiles", "scale")}
    assert same == {key: value for key, value in SERVICES["maxpool"].items() if key != "ports"}


@pytest.mark.parametrize("what", BOUND)
def test_what_stands_beside_it_has(what: str) -> None:
    for name in OTHERS:
        assert BOUND[what](SERVICES[name]), name
        assert not BOUND[what](copy.deepcopy(SERVICES[name]) | SPOILED[what])


def test_nobody_can_log_in_to_grafana() -> None:
    given = SERVICES["grafana"]["environment"]
    assert given["GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION"] == "true"
    assert given["GF_AUTH_ANONYMOUS_ORG_ROLE"] == "Viewer"


def test_every_file_that_is_mounted_is_there() -> None:
    mounted = [volume.split(":")[0] for service in SERVICES.values() for volume in service["volumes"]]
    assert all((ROOT / path).exists() for path in mounted if path.startswith("."))


def test_proxy_and_prometheus_ask_for_the_name_that_the_replicas_share() -> None:
    for name in OURS:
        assert SERVICES[name]["networks"]["default"]["aliases"] == ["replicas"]
    found = re.findall(r"^ +server-template replica 16 (\S+)", (ROOT / "deploy/haproxy.cfg").read_text(), re.MULTILINE)
    assert found == ["replicas:8000", "replicas:8000", "replicas:8001"]
    jobs = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())["scrape_configs"]
    asked = {job["job_name"]: (each["names"], each["port"]) for job in jobs for each in job["dns_sd_configs"]}
    assert asked == {"maxpool": (["replicas"], 8000), "proxy": (["proxy"], 8405)}


@pytest.mark.skipif(shutil.which("haproxy", path="/usr/sbin:/usr/bin") is None, reason="no haproxy")
def test_haproxy_accepts_its_configuration() -> None:
    haproxy = shutil.which("haproxy", path="/usr/sbin:/usr/bin")
    assert haproxy
    subprocess.run([haproxy, "-c", "-f", "deploy/haproxy.cfg"], cwd=ROOT, check=True, capture_output=True)


def has_compose() -> bool:
    asked = ["docker", "compose", "version"]
    return bool(shutil.which("docker")) and subprocess.run(asked, capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not has_compose(), reason="no docker compose")
@pytest.mark.parametrize("profiles", [(), ("scale",), ("observe",), ("scale", "observe")])
def test_compose_accepts_every_profile(profiles: tuple[str, ...]) -> None:
    chosen = [f"--profile={profile}" for profile in profiles]
    command = ["docker", "compose", *chosen, "config", "--services"]
    named = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()
    wanted = {name for name, service in SERVICES.items() if set(service.get("profiles", profiles)) <= set(profiles)}
    assert set(named) == wanted | {"maxpool"}
