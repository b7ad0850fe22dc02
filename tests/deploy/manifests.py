"""The manifests of deploy/kubernetes as kustomize builds them, and what is to be found in them."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml

from tests.conftest import ROOT

FOLDER = ROOT / "deploy" / "kubernetes"
OVERLAYS = tuple(sorted(f"overlays/{path.name}" for path in (FOLDER / "overlays").iterdir()))
COMPONENTS = tuple(sorted(f"components/{path.name}" for path in (FOLDER / "components").iterdir()))
FOLDERS = ("base", *OVERLAYS, "components/models-volume")  # the other components are in the overlays

Object = dict[str, Any]
Objects = list[Object]


@cache
def built(folder: str) -> str:
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed")
    if folder in COMPONENTS:
        return kustomize_component(folder)
    return kustomize(FOLDER / folder)


def kustomize_component(component: str) -> str:
    """On the base, as docs/kubernetes.md has a person write it."""
    with TemporaryDirectory() as folder:
        there = os.path.relpath(FOLDER, Path(folder).resolve())
        text = f"resources: [{there}/base]\ncomponents: [{there}/{component}]\n"
        (Path(folder) / "kustomization.yaml").write_text(text)
        return kustomize(Path(folder))


def kustomize(folder: Path) -> str:
    environ = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}  # nobody's cluster
    ran = subprocess.run(["kubectl", "kustomize", folder], env=environ, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr == "", "kustomize has something against it"
    return ran.stdout


def build(folder: str) -> Objects:
    """Each time anew, to be spoiled."""
    return list(yaml.safe_load_all(built(folder)))


def of_kind(objects: Objects, *kinds: str) -> Objects:
    return [each for each in objects if each["kind"] in kinds]


def names(objects: Objects, *kinds: str) -> set[str]:
    return {each["metadata"]["name"] for each in of_kind(objects, *kinds)}


def pods(objects: Objects) -> Iterator[tuple[Object, Object, Object]]:
    """What runs our image: its pod, its container and the labels of the pod. KServe makes one pod of two objects."""
    for each in of_kind(objects, "Deployment"):
        template = each["spec"]["template"]
        yield template["spec"], template["spec"]["containers"][0], template["metadata"]["labels"]
    for each in of_kind(objects, "ServingRuntime"):
        for service in of_kind(objects, "InferenceService"):
            predictor = service["spec"]["predictor"]
            if predictor["model"]["runtime"] == each["metadata"]["name"]:
                yield {**each["spec"], **predictor}, each["spec"]["containers"][0], {}


def environment(objects: Objects, container: Object) -> dict[str, str]:
    """Of a container, as the cluster would set it, without what its image sets."""
    maps = {each["metadata"]["name"]: each["data"] for each in of_kind(objects, "ConfigMap")}
    given: dict[str, str] = {}
    for source in container.get("envFrom", ()):
        given |= maps[source["configMapRef"]["name"]]
    (service,) = names(objects, "InferenceService") or {""}
    return given | {each["name"]: each["value"].replace("{{.Name}}", service) for each in container.get("env", ())}


def probes(container: Object) -> dict[str, Object]:
    return {name: container[name] for name in ("startupProbe", "readinessProbe", "livenessProbe")}
