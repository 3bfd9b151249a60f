# SPDX-License-Identifier: MIT
"""scripts/kubernetes: held to the schemas of Kubernetes, and to one another, and run as a pod would run it."""
from __future__ import annotations

import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from messages_api import MessagesAPI
from server import BUILD, REPOSITORY

FOLDER = REPOSITORY / "scripts/kubernetes"
CHECKER = BUILD / "venv/bin/kubernetes-validate"
# The oldest that is still kept by others, and the newest that the checker knows.
VERSIONS = ["1.31", "1.37"]
DOCUMENTS: list[dict[str, Any]] = [one for path in sorted(FOLDER.glob("*.yaml")) for one in yaml.safe_load_all(path.read_text())]
KINDS = ["ConfigMap", "Deployment", "NetworkPolicy", "PodDisruptionBudget", "Secret", "Service"]


def of(kind: str) -> dict[str, Any]:
    [found] = [one for one in DOCUMENTS if one["kind"] == kind]
    return found


def pod() -> dict[str, Any]:
    return of("Deployment")["spec"]["template"]["spec"]


def container() -> dict[str, Any]:
    [one] = pod()["containers"]
    return one


def check(version: str, *files: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([CHECKER, "--strict", "-k", version, *files], capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("version", VERSIONS)
def test_schemas(version: str) -> None:
    """Each property is one that the version knows, of the right type."""
    said = check(version, *sorted(FOLDER.glob("*.yaml")))
    assert said.returncode == 0, said.stdout + said.stderr
    assert sorted(one["kind"] for one in DOCUMENTS) == KINDS


def test_the_checker_would_say_so(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text((FOLDER / "deployment.yaml").read_text().replace("runAsNonRoot", "runAsNonroot"))
    said = check(VERSIONS[-1], wrong)
    assert said.returncode != 0 and "runAsNonroot" in said.stdout + said.stderr


def test_they_fit_together() -> None:
    """What one names the other has: labels, ports, volumes, the names of settings and secrets, and the times."""
    labels = of("Deployment")["spec"]["template"]["metadata"]["labels"]
    for selector in (of("Deployment")["spec"]["selector"]["matchLabels"], of("Service")["spec"]["selector"],
                     of("PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
                     of("NetworkPolicy")["spec"]["podSelector"]["matchLabels"]):
        assert selector.items() <= labels.items()
    ports = {port["name"]: port["containerPort"] for port in container()["ports"]}
    settings = of("ConfigMap")["data"]
    assert ports["http"] == int(settings["PORT"])
    assert [port["targetPort"] for port in of("Service")["spec"]["ports"]] == ["http"]
    assert container()["envFrom"] == [{"configMapRef": {"name": of("ConfigMap")["metadata"]["name"]}}]
    volumes = {volume["name"]: volume for volume in pod()["volumes"]}
    assert {mount["name"] for mount in container()["volumeMounts"]} == set(volumes)
    assert volumes["credentials"]["secret"]["secretName"] == of("Secret")["metadata"]["name"]
    assert of("Deployment")["spec"]["replicas"] > of("PodDisruptionBudget")["spec"]["minAvailable"]
    pause = int(container()["lifecycle"]["preStop"]["exec"]["command"][1])
    assert pod()["terminationGracePeriodSeconds"] >= pause + int(settings["GRACE_PERIOD"]) + 5


def test_what_it_may_do() -> None:
    """Not root, nothing to write but its volume, no right of the kernel's, no account of the cluster's."""
    whole, own = pod()["securityContext"], container()["securityContext"]
    assert whole["runAsNonRoot"] and whole["runAsUser"] > 0 and whole["seccompProfile"] == {"type": "RuntimeDefault"}
    assert own == {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
    assert pod()["automountServiceAccountToken"] is False
    assert all("REPLACE-ME" in value for value in of("Secret")["stringData"].values())


def volumes(home: Path) -> dict[str, str]:
    """The pod's volumes as the kubelet makes them: files behind links, of the group's; a folder that is everybody's."""
    made = {mount["mountPath"]: home / mount["name"] for mount in container()["volumeMounts"]}
    mode = next(volume for volume in pod()["volumes"] if "secret" in volume)["secret"]["defaultMode"]
    data = made["/run/credentials"] / "..2026_11_23"
    data.mkdir(parents=True)
    (made["/run/credentials"] / "..data").symlink_to(data.name)
    for name, text in of("Secret")["stringData"].items():
        (data / name).write_text(text)
        (data / name).chmod(mode)
        (made["/run/credentials"] / name).symlink_to(f"..data/{name}")
    run = made["/run/claude-proxy"]
    run.mkdir()
    # By fsGroup: its group writes, and what is made in it has that group too.
    run.chmod(0o2777)
    return {theirs: str(ours) for theirs, ours in made.items()}


def test_as_a_pod_would_run_it(start, tmp_path: Path, api: MessagesAPI) -> None:
    """Its environment and volumes, its probes, its end."""
    tmp_path.chmod(0o755)
    places = volumes(tmp_path)
    settings = dict(of("ConfigMap")["data"])
    for variable in container()["env"]:
        value = variable["value"]
        for theirs, ours in places.items():
            value = value.replace(theirs, ours)
        settings[variable["name"]] = value
    assert settings.pop("PORT") == "8000"
    proxy = start(**settings, ANTHROPIC_BASE_URL=api.url)
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert proxy.ask("GET", container()[probe]["httpGet"]["path"]).status == 200, probe
    body = {"model": "claude-sonnet-5-5", "max_tokens": 50, "messages": [{"role": "user", "content": "hi"}]}
    [line] = of("Secret")["stringData"]["AUTH_TOKENS"].split()
    assert proxy.ask("POST", "/v1/messages", body).status == 401
    assert proxy.ask("POST", "/v1/messages", body, {"x-api-key": line.partition(":")[2]}).status == 200
    private = Path(settings["RUN_DIR"])
    assert stat.S_IMODE(private.stat().st_mode) == 0o2700
    # Nothing was written but there.
    assert {path.name for path in tmp_path.joinpath("run").iterdir()} == {private.name}
