"""A namespace of a real cluster, and the backend as it runs there: with its own rights only."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from compute.provisioner import backends
from compute.provisioner.backends.kubernetes import KubernetesBackend
from compute.provisioner.backends.manifests import Deployment
from compute.testing.kube.cluster import Cluster, Namespace

ROLE = yaml.safe_load((Path(backends.__file__).parent / "role.yaml").read_text())


@pytest.fixture
def namespace(cluster: Cluster) -> Namespace:
    return cluster.namespace()


@pytest.fixture
def backend(namespace: Namespace) -> Iterator[KubernetesBackend]:
    api = namespace.cluster.plane.client(namespace.account(ROLE))
    made = KubernetesBackend(api, namespace.name, Deployment(image="none", command=("sleep",)))
    made._pods.all(20)
    yield made
    made.close()
