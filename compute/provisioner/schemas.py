"""What people write into records: the fields of each kind, their types, defaults and meaning.

They are the bodies of REST requests as they are, and `metadata` and `spec` of YAML documents. Here
is neither Django nor a database, so that the command line checks documents as the service does.
"""

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from compute.provisioner.fields import (
    Address,
    Architecture,
    AtLeastOne,
    Bytes,
    Cores,
    Count,
    Labels,
    Mac,
    Name,
    PoolName,
    Price,
    Queue,
    Seconds,
    SecondsAboveZero,
    SshKey,
    Url,
    UserName,
    XName,
)


class Strict(BaseModel):
    """Refuses fields it does not know and text that no database stores."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, validate_default=True)

    @field_validator("*")
    @classmethod
    def _storable(cls, value: Any) -> Any:
        if isinstance(value, str) and "\x00" in value:
            raise ValueError("a text must not contain the character NUL")
        return value


class Metadata(Strict):
    """What every record has besides its fields."""

    name: Name = Field(description="Name, unique among records of the kind.")
    description: str = Field("", max_length=10_000, description="What it is for.")
    labels: Labels = Field(
        {}, description="Labels to find it by; a pool's go to the nodes it starts."
    )


class Toleration(Strict):
    """A taint of Kubernetes nodes that the pods of a pool accept."""

    key: str = Field("", max_length=317)
    operator: Literal["Exists", "Equal"] = "Equal"
    value: str = Field("", max_length=63)
    effect: Literal["", "NoSchedule", "PreferNoSchedule", "NoExecute"] = ""
    tolerationSeconds: Count | None = None  # noqa: N815 - as Kubernetes spells it


class PoolSpec(Strict):
    """How the nodes of a pool are, and how many there may be."""

    backend: Literal["local", "kubernetes"] = Field("local", description="Where its nodes run.")
    role: Literal["worker", "dask"] = Field(
        "worker", description="Take jobs from the queue, or compute parts of one big job."
    )
    queue: Queue = Field(
        "ingress", description="Queue whose jobs the nodes take, or several with commas."
    )
    minimum: Count = Field(0, description="Nodes kept whatever the demand.")
    maximum: Count = Field(1, description="Nodes there may be.")
    capacity: Literal["on-demand", "spot"] = Field(
        "on-demand", description="Spot nodes are cheaper and may be taken away at short notice."
    )
    fallback: PoolName | None = Field(
        None, description="Pool used instead while this one cannot start nodes."
    )

    cpu: Cores = Field(1.0, description="Cores of a node, such as 2 or 500m; 0: no limit.")
    memory: Bytes = Field(
        4 * 2**30, description="Bytes of memory of a node, such as 4Gi; 0: no limit."
    )
    gpu: Count = Field(0, description="GPUs of a node.")
    image: str = Field(
        "", max_length=500, description="Container image; empty: the deployment's own."
    )
    node_selector: Labels = Field({}, description="Labels of the machines that pods may run on.")
    tolerations: list[Toleration] = Field(
        [], max_length=100, description="Taints of machines that pods accept."
    )
    priority_class: str = Field("", max_length=253, description="Kubernetes priority class.")
    price_per_hour: Price = Field(0.0, description="Price of a node for an hour.")

    jobs_per_node: AtLeastOne = Field(1, description="Jobs a node computes at once.")
    bytes_per_node: Bytes = Field(
        50_000_000_000, description="Estimated bytes of jobs that are worth one more node."
    )
    step: AtLeastOne = Field(10, description="Nodes started in one round, at most.")
    idle_seconds: Seconds = Field(300.0, description="Idle time after which a node may be stopped.")
    cooldown_seconds: Seconds = Field(
        60.0, description="Time after nodes were started before idle ones are stopped."
    )
    start_seconds: SecondsAboveZero = Field(
        300.0, description="Time a node has to be ready before its start has failed."
    )
    heartbeat_seconds: SecondsAboveZero = Field(
        10.0, description="Time between signs of life; a node silent for three of them is lost."
    )
    grace_seconds: Seconds = Field(
        30.0, description="Time between the notice to end and the end by force."
    )
    drain_seconds: Seconds = Field(
        600.0, description="Time a draining node has for its jobs before they are handed back."
    )

    failures: AtLeastOne = Field(
        3, description="Failed starts or interruptions within the window that open the circuit."
    )
    window_seconds: SecondsAboveZero = Field(600.0, description="The window they are counted in.")
    retry_seconds: SecondsAboveZero = Field(
        60.0, description="Time until an open circuit lets one node try; doubles each time."
    )
    longest_retry_seconds: SecondsAboveZero = Field(3600.0, description="Longest such time.")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.minimum > self.maximum:
            raise ValueError(f"minimum {self.minimum} is above maximum {self.maximum}")
        if self.retry_seconds > self.longest_retry_seconds:
            raise ValueError(
                f"retry_seconds {self.retry_seconds:g} is above longest_retry_seconds "
                f"{self.longest_retry_seconds:g}"
            )
        if not self.bytes_per_node:
            raise ValueError("bytes_per_node must be above 0")
        return self


class ComputeNodeSpec(Strict):
    """A node created by hand; without a pool only a record of a machine."""

    pool: PoolName | None = Field(
        None, description="Pool it belongs to; null: a record that nothing starts."
    )
    owner: str = Field(
        "", max_length=150, description="Who sees it besides operators; empty: nobody."
    )
    cpu: Cores | None = Field(None, description="Cores; null: as the pool gives.")
    memory: Bytes | None = Field(None, description="Bytes of memory; null: as the pool gives.")
    gpu: Count | None = Field(None, description="GPUs; null: as the pool gives.")
    image: str | None = Field(
        None, max_length=500, description="Container image; null: as the pool gives."
    )
    xname: XName = Field("", description="Place in the machine room, such as x3000c0s17b1n0.")
    management_address: Address = Field("", description="IP address on the management network.")
    bmc_address: Address = Field("", description="IP address of its management controller.")
    bmc_mac: Mac = Field("", description="MAC address of its management controller.")
    boot_mac: Mac = Field("", description="MAC address it boots from.")
    architecture: Architecture = Field("", description="Instruction set.")
    boot_profile: Name | None = Field(None, description="Boot profile it is booted with.")


class GroupSpec(Strict):
    """Which nodes belong together: those named, or those that carry all the labels."""

    nodes: list[Name] = Field([], max_length=10_000, description="Names of nodes.")
    selector: Labels = Field({}, description="Labels that a node of the group has.")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.nodes and self.selector:
            raise ValueError("give nodes or selector, not both")
        if twice := sorted({name for name in self.nodes if self.nodes.count(name) > 1}):
            raise ValueError(f"nodes names {', '.join(twice)} more than once")
        return self


class BootProfileSpec(Strict):
    """How bare-metal nodes are booted, and who may log in to them."""

    ssh_key: SshKey = Field("", description="Public SSH key of the administrator.")
    admin_user: UserName = Field("", description="User name of the administrator.")
    user_data: str = Field("", max_length=65_536, description="cloud-init user data.")
    image_url: Url = Field("", description="Address of the root file system's image.")
    kernel_url: Url = Field("", description="Address of the kernel.")
    initrd_url: Url = Field("", description="Address of the initial RAM disk.")
    kernel_parameters: str = Field("", max_length=4096, description="Kernel command line.")


class PoolBody(PoolSpec, Metadata):
    """A pool as it is written."""

    name: PoolName = Field(description="Name, unique among pools.")


class ComputeNodeBody(ComputeNodeSpec, Metadata):
    """A compute node as it is written."""


class GroupBody(GroupSpec, Metadata):
    """A group as it is written."""


class BootProfileBody(BootProfileSpec, Metadata):
    """A boot profile as it is written."""
