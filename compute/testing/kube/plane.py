"""A control plane on free ports of this machine: etcd, API server, controllers, scheduler.

Nothing of it remains when its context ends. Every part may be killed and started again.
"""

import json
import os
import secrets
import tempfile
import time
import urllib.error
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import urllib3
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from kubernetes import client
from kubernetes.client.exceptions import ApiException

from compute.broker import HOST, free_port
from compute.testing.kube import assets
from compute.testing.parts import Part

READY_SECONDS = 60.0
POLL_SECONDS = 0.05
ISSUER = "https://kubernetes.default.svc"
# What needs a cloud, real nodes or volumes; a node that is silent is the kubelet's affair here.
CONTROLLERS = (
    "*,-nodelifecycle,-nodeipam,-attachdetach,-persistentvolume-binder,-persistentvolume-expander,"
    "-cloud-node-lifecycle,-service,-route"
)
AUDIT = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["ResponseComplete", "ResponseStarted"],
    "rules": [
        {"level": "None", "userGroups": ["system:masters"]},
        {"level": "Metadata", "userGroups": ["system:serviceaccounts"]},
    ],
}


class ControlPlane:
    """The running parts; `admin` is a client that may do everything."""

    def __init__(self, folder: Path, etcd: Part, server: Part, url: str, token: str) -> None:
        self.folder, self.etcd, self.server = folder, etcd, server
        self.url, self._token = url, token
        self.admin = self.client(token)

    def client(self, token: str) -> client.ApiClient:
        """Return a client of the API server that shows this token."""
        configuration = client.Configuration(host=self.url, retries=False)
        configuration.ssl_ca_cert = str(self.folder / "certs" / "apiserver.crt")
        configuration.api_key = {"authorization": f"Bearer {token}"}
        return client.ApiClient(configuration)

    def kubeconfig(self, name: str, token: str = "", namespace: str = "default") -> Path:
        """Write a kubeconfig file for this token (none: the administrator's), return its path."""
        path = self.folder / f"{name}.conf"
        cluster = {
            "server": self.url,
            "certificate-authority": str(self.folder / "certs" / "apiserver.crt"),
        }
        context = {"cluster": "test", "user": name, "namespace": namespace}
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "clusters": [{"name": "test", "cluster": cluster}],
            "contexts": [{"name": "test", "context": context}],
            "users": [{"name": name, "user": {"token": token or self._token}}],
        }
        path.write_text(json.dumps(document))
        return path

    def calls(self, namespace: str) -> set[tuple[str, str]]:
        """Return verb and resource of every call a service account made in a namespace."""
        lines = (self.folder / "audit.log").read_text().splitlines()
        told = [json.loads(line) for line in lines]
        asked = [(entry["verb"], entry["objectRef"]) for entry in told if "objectRef" in entry]
        return {
            (verb, "/".join(filter(None, (what["resource"], what.get("subresource")))))
            for verb, what in asked
            if what.get("namespace") == namespace
        }

    def restart_server(self) -> None:
        """Start the API server after it was killed and wait until it answers."""
        self.server.start()
        until(self.ready, "the API server")

    def ready(self) -> bool:
        """Tell whether the API server answers and is ready."""
        try:
            answer = self.admin.call_api("GET", f"{self.url}/readyz", _request_timeout=5.0)
        except (ApiException, urllib3.exceptions.HTTPError, urllib.error.URLError, OSError):
            return False
        return bool(answer.status == 200)


@contextmanager
def control_plane() -> Iterator[ControlPlane]:
    """Run a control plane; raises AssetsError when its programs cannot be had."""
    programs = assets.programs()
    with tempfile.TemporaryDirectory(prefix="compute-kube-") as name, ExitStack() as stack:
        folder = Path(name)
        (folder / "logs").mkdir()

        def running(part: Part) -> Part:
            part.start()
            stack.callback(part.end)
            return part

        def part(name: str, *arguments: str) -> Part:
            command = [str(programs[name]), *arguments]
            return running(Part(name, command, os.environ, folder / "logs" / f"{name}.log"))

        token, ports = secrets.token_hex(16), [free_port() for _ in range(3)]
        (folder / "audit.json").write_text(json.dumps(AUDIT))
        (folder / "tokens.csv").write_text(f'{token},admin,1,"system:masters"\n')
        _service_account_key(folder / "sa.key")
        etcd_url = f"http://{HOST}:{ports[0]}"
        etcd = part("etcd", *_etcd(folder, etcd_url, f"http://{HOST}:{ports[1]}"))
        server = part("kube-apiserver", *_apiserver(folder, etcd_url, ports[2]))
        url = f"https://{HOST}:{ports[2]}"
        until((folder / "certs" / "apiserver.crt").exists, "the API server's certificate")
        plane = ControlPlane(folder, etcd, server, url, token)
        until(plane.ready, "the API server")
        common = [f"--kubeconfig={plane.kubeconfig('admin')}", "--leader-elect=false"]
        common += ["--port=0", "--secure-port=0"]
        part("kube-scheduler", *common)
        key = f"--service-account-private-key-file={folder / 'sa.key'}"
        part("kube-controller-manager", *common, key, f"--controllers={CONTROLLERS}")
        yield plane


def until(condition: Callable[[], bool], what: str, seconds: float = READY_SECONDS) -> None:
    """Wait until the condition holds; raises TimeoutError naming what did not come."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not come within {seconds:.0f} seconds")
        time.sleep(POLL_SECONDS)


def _etcd(folder: Path, url: str, peer: str) -> list[str]:
    return [
        f"--data-dir={folder / 'etcd'}",
        "--unsafe-no-fsync",
        f"--listen-client-urls={url}",
        f"--advertise-client-urls={url}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
    ]


def _apiserver(folder: Path, etcd: str, port: int) -> list[str]:
    key = folder / "sa.key"
    return [
        f"--etcd-servers={etcd}",
        f"--bind-address={HOST}",
        f"--secure-port={port}",
        f"--cert-dir={folder / 'certs'}",
        "--advertise-address=10.254.254.1",
        "--endpoint-reconciler-type=none",
        f"--token-auth-file={folder / 'tokens.csv'}",
        "--authorization-mode=RBAC",
        f"--service-account-issuer={ISSUER}",
        f"--service-account-key-file={key}",
        f"--service-account-signing-key-file={key}",
        "--service-cluster-ip-range=10.0.0.0/24",
        f"--audit-policy-file={folder / 'audit.json'}",
        f"--audit-log-path={folder / 'audit.log'}",
        "--audit-log-mode=blocking",
    ]


def _service_account_key(path: Path) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    path.write_bytes(key.private_bytes(serialization.Encoding.PEM, private, plain))
