"""deploy/kubernetes, as far as can be seen without a cluster: every folder builds, the objects are what the API and the
service expect, and each check finds what it is there for."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from fastapi.testclient import TestClient

from service.app import create_app
from service.errors import SettingsError
from service.settings import Settings
from tests.conftest import ROOT, write_colour
from tests.deploy import checks
from tests.deploy.manifests import (
    COMPONENTS,
    FOLDER,
    FOLDERS,
    OVERLAYS,
    Objects,
    build,
    environment,
    of_kind,
    pods,
    probes,
)
from tests.service.keyholders import ALL, write_keys

Check = Callable[[Objects], Iterator[str]]
Spoil = Callable[[Objects], object]
ALL_CHECKS: tuple[Check, ...] = (
    *(checks.schema, checks.settings, checks.stop, checks.ports, checks.selectors),
    *(checks.references, checks.scaling, checks.hardened, checks.image),
)


def one(objects: Objects, kind: str) -> dict:  # type: ignore[type-arg]
    (found,) = of_kind(objects, kind)
    return found["spec"] if "spec" in found else found["data"]


def pod(objects: Objects) -> dict:  # type: ignore[type-arg]
    return one(objects, "Deployment")["template"]["spec"]


def container(objects: Objects) -> dict:  # type: ignore[type-arg]
    return next(pods(objects))[1]


SPOILED: list[tuple[Check, str, Spoil]] = [
    (checks.schema, "base", lambda o: one(o, "Deployment").update(minReadySecond=3)),
    (checks.schema, "base", lambda o: one(o, "PodDisruptionBudget").update(maxUnavailable=[1])),
    (checks.schema, "overlays/keda", lambda o: one(o, "ScaledObject").update(triggers=[])),
    (checks.schema, "overlays/kserve", lambda o: of_kind(o, "InferenceService")[0].update(apiVersion="serving/v1")),
    (checks.settings, "base", lambda o: one(o, "ConfigMap").update(MAXPOOL_QUEUE="9")),
    (checks.settings, "base", lambda o: one(o, "ConfigMap").update(MAXPOOL_DRAIN_SECONDS="15s")),
    (checks.settings, "base", lambda o: one(o, "ConfigMap").update(MAXPOOL_KEYS_FILE="/keys.toml")),
    (checks.settings, "base", lambda o: one(o, "ConfigMap").pop("MAXPOOL_KEYS_FILE")),
    (checks.settings, "base", lambda o: pod(o).pop("enableServiceLinks")),
    (checks.settings, "overlays/kserve", lambda o: one(o, "InferenceService")["predictor"].pop("enableServiceLinks")),
    (checks.stop, "base", lambda o: pod(o).update(terminationGracePeriodSeconds=49)),
    (checks.stop, "overlays/gpu", lambda o: one(o, "ConfigMap").update(MAXPOOL_DRAIN_SECONDS="3")),
    (
        checks.stop,
        "overlays/kserve",
        lambda o: one(o, "InferenceService")["predictor"].update(terminationGracePeriodSeconds=30),
    ),
    (checks.ports, "base", lambda o: one(o, "ConfigMap").update(MAXPOOL_PORT="8080")),
    (checks.ports, "base", lambda o: one(o, "Service")["ports"][1].update(targetPort="rpc")),
    (checks.ports, "base", lambda o: one(o, "NetworkPolicy")["ingress"][0]["ports"][0].update(port="web")),
    (checks.ports, "overlays/keda", lambda o: one(o, "PodMonitor")["podMetricsEndpoints"][0].update(port="metrics")),
    (checks.ports, "overlays/kserve", lambda o: container(o)["livenessProbe"]["httpGet"].update(port=8080)),
    (checks.selectors, "base", lambda o: one(o, "Service")["selector"].update({"app.kubernetes.io/name": "pool"})),
    (checks.selectors, "base", lambda o: one(o, "PodDisruptionBudget")["selector"]["matchLabels"].update(tier="x")),
    (checks.selectors, "base", lambda o: one(o, "NetworkPolicy")["podSelector"]["matchLabels"].update(tier="x")),
    (checks.selectors, "overlays/keda", lambda o: one(o, "PodMonitor")["selector"]["matchLabels"].update(tier="x")),
    (checks.references, "base", lambda o: pod(o)["volumes"].pop()),
    (checks.references, "base", lambda o: pod(o)["volumes"][1]["secret"].update(secretName="keys")),
    (checks.references, "base", lambda o: pod(o).update(serviceAccountName="default")),
    (checks.references, "base", lambda o: one(o, "HorizontalPodAutoscaler")["scaleTargetRef"].update(name="pool")),
    (checks.references, "components/models-volume", lambda o: o.remove(of_kind(o, "PersistentVolumeClaim")[0])),
    (
        checks.references,
        "overlays/kserve",
        lambda o: one(o, "InferenceService")["predictor"]["model"]["modelFormat"].update(name="triton"),
    ),
    (checks.scaling, "base", lambda o: o.remove(of_kind(o, "HorizontalPodAutoscaler")[0])),
    (checks.scaling, "overlays/keda", lambda o: o.append(of_kind(build("base"), "HorizontalPodAutoscaler")[0])),
    (checks.scaling, "base", lambda o: one(o, "Deployment").update(replicas=2)),
    (checks.scaling, "base", lambda o: one(o, "Deployment")["strategy"]["rollingUpdate"].update(maxUnavailable=1)),
    (checks.scaling, "overlays/kserve", lambda o: one(o, "InferenceService")["predictor"].update(minReplicas=0)),
    (checks.hardened, "base", lambda o: pod(o)["securityContext"].update(runAsUser=0)),
    (checks.hardened, "base", lambda o: pod(o)["securityContext"].pop("seccompProfile")),
    (checks.hardened, "base", lambda o: container(o)["securityContext"].update(readOnlyRootFilesystem=False)),
    (checks.hardened, "base", lambda o: container(o)["securityContext"]["capabilities"].update(add=["SYS_ADMIN"])),
    (checks.hardened, "base", lambda o: pod(o).update(automountServiceAccountToken=True)),
    (checks.hardened, "base", lambda o: pod(o).update(hostNetwork=True)),
    (checks.hardened, "base", lambda o: pod(o)["volumes"][0].update(emptyDir={})),
    (checks.hardened, "components/models-volume", lambda o: container(o)["volumeMounts"][0].pop("readOnly")),
    (checks.hardened, "overlays/gpu", lambda o: container(o)["resources"]["limits"].pop("cpu")),
    (checks.hardened, "base", lambda o: one(o, "NetworkPolicy")["ingress"][0].pop("from")),
    (checks.hardened, "base", lambda o: one(o, "NetworkPolicy").update(egress=[{}])),
    (checks.hardened, "overlays/kserve", lambda o: container(o)["securityContext"].update(privileged=True)),
    (checks.image, "base", lambda o: container(o).update(image="maxpool:latest")),
    (checks.image, "overlays/kserve", lambda o: container(o).update(image="maxpool")),
    (checks.image, "overlays/gpu", lambda o: one(o, "ConfigMap").update(MAXPOOL_PROVIDER="auto")),
    (checks.image, "overlays/gpu", lambda o: container(o).update(image="maxpool:0.1.0")),
]


@pytest.mark.parametrize("folder", FOLDERS)
@pytest.mark.parametrize("check", ALL_CHECKS, ids=lambda check: check.__name__)
def test_nothing_is_wrong_with(folder: str, check: Check) -> None:
    assert list(check(build(folder))) == []


@pytest.mark.parametrize(("check", "folder", "spoil"), SPOILED)
def test_what_is_spoiled_is_found(check: Check, folder: str, spoil: Spoil) -> None:
    objects = build(folder)
    spoil(objects)
    assert list(check(objects))


def test_every_check_has_been_seen_to_fail() -> None:
    assert {check for check, _, _ in SPOILED} == set(ALL_CHECKS)


def test_every_component_is_built() -> None:
    used = "".join((FOLDER / folder / "kustomization.yaml").read_text() for folder in OVERLAYS)
    assert set(re.findall(r"components/[\w-]+", used)) | set(FOLDERS) >= set(COMPONENTS)


def test_a_service_called_maxpool_would_set_a_port_that_is_none() -> None:
    """Why the links of Kubernetes are off."""
    with pytest.raises(SettingsError, match="MAXPOOL_PORT"):
        Settings.from_env({"MAXPOOL_PORT": "tcp://10.0.0.1:8000"})


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A service as KServe's storage and the Secret would have it: a folder that is mounted, and keys."""
    folder = tmp_path_factory.mktemp("mnt")
    write_colour(folder / "models" / "colour" / "1")
    keys = write_keys(folder / "keys.toml")
    (runtime,) = pods(build("overlays/kserve"))
    environ = environment(build("overlays/kserve"), runtime[1])
    mounted = {
        name: str(folder / "models") if value == "/mnt/models" else value.replace("/etc/maxpool", str(keys.parent))
        for name, value in environ.items()
    }
    assert mounted["MAXPOOL_MODELS"] == str(folder / "models")
    settings = Settings.from_env({**mounted, "MAXPOOL_KEYS_FILE": str(keys)})
    with TestClient(create_app(settings)) as client:
        yield client


@pytest.mark.parametrize("folder", FOLDERS)
def test_probes_are_answered_without_a_key(folder: str, guarded: TestClient) -> None:
    for _, each, _ in pods(build(folder)):
        paths = {name: probe["httpGet"]["path"] for name, probe in probes(each).items()}
        assert all(guarded.get(path).status_code == 200 for path in paths.values()), paths


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_pod_that_drains_is_not_ready_and_alive(folder: str, guarded: TestClient) -> None:
    registry = guarded.app.state.registry  # type: ignore[attr-defined]
    registry.draining = True
    try:
        for _, each, _ in pods(build(folder)):
            told = {name: guarded.get(probe["httpGet"]["path"]).status_code for name, probe in probes(each).items()}
            assert told == {"startupProbe": 200, "readinessProbe": 503, "livenessProbe": 200}
    finally:
        registry.draining = False


def test_what_is_mounted_where_kserve_mounts_it_is_served_over_its_protocol(guarded: TestClient) -> None:
    assert guarded.get("/v2/models/colour/ready", headers=ALL).json() == {"name": "colour", "ready": True}
    assert guarded.get("/v2/models/colour/ready").status_code == 401


def series(metrics: str) -> set[str]:
    return set(re.findall(r"^(maxpool_\w+)", metrics, re.MULTILINE))


def test_what_scaling_goes_by_is_a_metric_of_the_service(guarded: TestClient) -> None:
    found = series(guarded.get("/metrics", headers=ALL).text)
    (rule,) = yaml.safe_load((FOLDER / "prometheus-adapter.yaml").read_text())["rules"]["custom"]
    (series_of_rule,) = re.findall(r"^maxpool_\w+", rule["seriesQuery"])
    assert series_of_rule in found
    assert re.fullmatch(rule["name"]["matches"], series_of_rule)
    pod_metric, cpu = one(build("base"), "HorizontalPodAutoscaler")["metrics"]
    assert pod_metric["pods"]["metric"]["name"] == rule["name"]["as"]
    assert cpu["resource"]["name"] == "cpu"
    trigger = one(build("overlays/keda"), "ScaledObject")["triggers"][0]["metadata"]
    assert set(re.findall(r"maxpool_\w+", trigger["query"])) == {series_of_rule}
    assert trigger["threshold"] == pod_metric["pods"]["target"]["averageValue"]
    assert (
        f'namespace="{of_kind(build("overlays/keda"), "ScaledObject")[0]["metadata"]["namespace"]}"' in trigger["query"]
    )
    assert "maxpool_queue_seconds_sum" not in found  # a name that is not there is not taken for one that is


def test_prometheus_asks_a_path_that_wants_its_key(guarded: TestClient) -> None:
    (endpoint,) = one(build("overlays/keda"), "PodMonitor")["podMetricsEndpoints"]
    assert guarded.get(endpoint["path"]).status_code == 401
    assert guarded.get(endpoint["path"], headers=ALL).status_code == 200
    assert endpoint["authorization"]["credentials"]["name"] in checks.SECRETS


def test_a_change_of_a_setting_is_a_change_of_the_pods() -> None:
    """The name of the ConfigMap has a digest of what is in it."""
    found = {of_kind(build(folder), "ConfigMap")[0]["metadata"]["name"] for folder in ("base", "overlays/gpu")}
    assert len(found) == 2
    assert all(re.fullmatch(r"maxpool-settings-[a-z0-9]{10}", name) for name in found)


def test_what_the_guide_names_is_there() -> None:
    guide = (ROOT / "docs" / "kubernetes.md").read_text()
    paths = set(re.findall(r"deploy/kubernetes[\w./-]*\w", guide))
    assert paths
    assert all(Path(ROOT / path).exists() for path in paths), paths
    assert all(secret in guide for secret in checks.SECRETS)
    assert all(f"overlays/{Path(folder).name}" in guide for folder in OVERLAYS)
