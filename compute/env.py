"""The settings: the one reader of the environment, typed, refusing names it does not know."""

import contextlib
import os
import re
import secrets
import tempfile
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    ValidationError,
    field_validator,
)

if TYPE_CHECKING:
    from compute_tasks.sources.policy import SourcePolicy

PREFIX = "COMPUTE_"


WEIGHT = re.compile(r"[^=\s]+ *= *(\d+(?:\.\d+)?)")


class SettingsError(Exception):
    """A COMPUTE_* variable is unknown or holds a value that cannot be used."""


def _comma_list(value: Any) -> Any:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def _machine_memory() -> int:
    """Return the bytes of memory of this machine, or those its container may use."""
    whole = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    try:
        return min(whole, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    except (OSError, ValueError):
        return whole


class Config(BaseModel):
    """Every setting, its type, default and meaning; the reference page is made from it."""

    model_config = ConfigDict(frozen=True, validate_default=True, ignored_types=(cached_property,))

    data_dir: Path = Field(
        Path("data"),
        description="Folder of everything the service keeps: database, archive, results.",
    )
    embedded: bool = Field(
        True,
        description="The laptop default: SQLite, a private Redis, a secret key made on first use. "
        "With false the production checks apply.",
    )
    database_url: str = Field(
        "",
        description="Database, e.g. `postgres://user:password@host/name`; empty: SQLite in the "
        "data folder.",
    )
    redis_url: str = Field(
        "",
        description="Broker, e.g. `redis://host:6379/0`; empty: `compute serve` starts a private "
        "one.",
    )
    secret_key: SecretStr = Field(
        SecretStr(""),
        description="Key of signed values; embedded mode makes one in the data folder.",
    )
    allowed_hosts: tuple[str, ...] = Field(
        (), description="Host names the web answers to, comma separated; embedded mode: any."
    )
    public_url: str = Field(
        "",
        description="Address clients reach the service at, without a path; empty: taken from "
        "each request.",
    )
    trusted_proxy: bool = Field(
        False,
        description="Believe X-Forwarded-Proto, X-Forwarded-Host and the last address of "
        "X-Forwarded-For: set by a proxy in front that always overwrites or appends them.",
    )
    thredds_url: str = Field(
        "",
        description="dodsC address of a THREDDS server for the outputs folder; empty: the "
        "built-in OPeNDAP.",
    )

    data_roots: tuple[Path, ...] = Field(
        (),
        description="Folders local input files may lie in, comma separated; empty: `archive/` in "
        "the data folder.",
    )
    allowed_data_hosts: tuple[str, ...] = Field(
        (),
        description="Remote hosts (`name` or `name:port`) that may be read although their "
        "address is loopback or private, comma separated; `*`: all.",
    )
    url_mapping: Path | None = Field(
        None,
        description='JSON file `{"mapping": {url part: folder}}` naming archive addresses that are '
        "local folders here.",
    )
    host_connections: PositiveInt = Field(
        4, description="Requests one job sends to a remote host at the same time, at most."
    )
    opendap_request_bytes: PositiveInt = Field(
        100_000_000, description="Bytes asked of an OPeNDAP server in one request, at most."
    )
    source_timeout: PositiveFloat = Field(
        60.0, description="Seconds a remote server may stay silent before a read is tried again."
    )
    source_attempts: PositiveInt = Field(4, description="Times a remote read is tried in all.")
    download_bytes: PositiveInt = Field(
        10_000_000_000,
        description="Bytes that may be downloaded for one input that cannot be read in parts.",
    )

    output_format: Literal["netcdf4", "netcdf3"] = Field(
        "netcdf4",
        description="Format of results: `netcdf4` (compressed) or `netcdf3` (NETCDF3_64BIT).",
    )
    output_split_bytes: int = Field(
        0,
        ge=0,
        description="Split a result into files of about this size along its longest axis; 0: "
        "never.",
    )
    opendap_response_bytes: PositiveInt = Field(
        500_000_000,
        description="Bytes the built-in OPeNDAP gives in one answer, at most.",
    )
    container_image: str = Field("", description="Image name recorded in each result's provenance.")

    input_bytes: PositiveInt = Field(
        500_000_000_000,
        description="Bytes a job may read, as numbers in memory; estimated before it computes.",
    )
    output_bytes: PositiveInt = Field(
        50_000_000_000,
        description="Bytes the results of a job may have before compression; estimated likewise.",
    )
    storage_bytes: PositiveInt = Field(
        200_000_000_000,
        description="Bytes of results kept for one user or one anonymous address.",
    )
    least_free_bytes: int = Field(
        1_000_000_000,
        ge=0,
        description="Bytes kept free on the disk of the results; with less no work is taken.",
    )
    queued_jobs: PositiveInt = Field(
        500, description="Jobs that one user or one anonymous address may have waiting."
    )
    running_jobs: PositiveInt = Field(
        8, description="Jobs of one user or one anonymous address that run at once."
    )
    job_seconds: PositiveFloat = Field(
        43_200.0,
        description="Seconds a job may run, in all attempts; the time it waits does not count.",
    )
    aging_hours: PositiveFloat = Field(
        24.0, description="Hours of waiting that move a job up by one turn of the others."
    )
    weights: tuple[str, ...] = Field(
        (),
        description="Turns that users take where others take one, e.g. `alice=2, anonymous=0.5`.",
    )

    reuse: bool = Field(
        True,
        description="Answer a request with the kept result of an identical one of the same owner.",
    )

    sync_seconds: PositiveFloat = Field(
        60.0,
        description="Seconds a synchronous Execute waits for its result before it answers with "
        "the status address.",
    )
    request_bytes: PositiveInt = Field(
        3_000_000, description="Bytes of a request body or a referenced input, at most."
    )
    lease_seconds: PositiveFloat = Field(
        30.0, description="Seconds a worker may be silent before its job goes back to the queue."
    )
    checkpoint_seconds: float = Field(
        5.0,
        ge=0,
        description="Seconds of computing that a job may lose with its worker, about; finished "
        "parts are saved this often.",
    )
    memory_bytes: PositiveInt = Field(
        1_000_000_000,
        description="Bytes of memory that one job computes in, beside what it loads of programs; "
        "what needs more is computed in several passes, or refused before it starts.",
    )
    process_memory_bytes: PositiveInt = Field(
        default_factory=lambda: _machine_memory() * 3 // 4,
        description="Bytes of memory that a process which runs jobs may have; a job that needs "
        "more fails. By default three quarters of the machine's or container's.",
    )
    max_attempts: PositiveInt = Field(3, description="Workers a job may lose before it fails.")
    grace_seconds: PositiveFloat = Field(
        20.0,
        description="Seconds a worker takes to end when it is told to, at most. Its job has half "
        "of them to finish, then goes back to its queue.",
    )
    retention_days: PositiveFloat = Field(
        7.0, description="Days the results of a finished job are kept, unless its owner says else."
    )
    longest_retention_days: PositiveFloat = Field(
        30.0, description="Days for which the owner of a job may have its results kept, at most."
    )
    worker_threads: PositiveInt = Field(
        default_factory=lambda: os.cpu_count() or 1, description="Threads one job computes with."
    )
    web_processes: PositiveInt = Field(
        default_factory=lambda: min(2, os.cpu_count() or 1), description="Processes of the web."
    )
    web_threads: PositiveInt = Field(16, description="Requests a web process answers at once.")
    metrics_port: int = Field(
        8888, ge=0, le=65535, description="Port of a worker's Prometheus metrics; 0: any free one."
    )
    metrics_host: str = Field("127.0.0.1", description="Address metrics listen on.")
    provisioner_metrics_port: int | None = Field(
        None,
        ge=0,
        le=65535,
        description="Port of the provisioner's Prometheus metrics; 0: any free one; without it "
        "COMPUTE_METRICS_PORT.",
    )
    provisioner_seconds: PositiveFloat = Field(
        1.0, description="Pause between two rounds of the provisioner; a node that ends wakes it."
    )
    node: str = Field(
        "", description="Name of the node a worker runs on; set by the provisioner, not by hand."
    )
    log_format: Literal["text", "json"] = Field("text", description="Log lines as text or as JSON.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="Least level logged."
    )

    dask_threshold: int = Field(
        0,
        ge=0,
        description="Bytes above which a job of our own processes computes on a dask cluster of "
        "its own, if there is a pool of role dask; 0: never.",
    )
    kubernetes_namespace: str = Field(
        "", description="Namespace of the pods of nodes; empty: the one the provisioner runs in."
    )
    kubernetes_instance: str = Field(
        "compute",
        description="Label that tells the pods of this installation from those of another one in "
        "the namespace.",
    )
    kubernetes_command: tuple[str, ...] = Field(
        ("compute",), description="What starts `compute` in the image, comma separated."
    )
    kubernetes_config_map: str = Field(
        "", description="ConfigMap that the environment of nodes is read from."
    )
    kubernetes_secret: str = Field(
        "", description="Secret that the environment of nodes is read from."
    )
    kubernetes_service_account: str = Field(
        "", description="Service account of the pods of nodes; they get no token of it."
    )
    kubernetes_volumes: Path | None = Field(
        None,
        description="YAML file with the `volumes` and `volumeMounts` that every node has.",
    )
    operator_token: SecretStr = Field(
        SecretStr(""),
        description="Bearer token of operators, who alone may change pools and nodes; embedded "
        "mode makes one in the data folder. Empty in production: nobody may.",
    )
    url: str = Field(
        "",
        description="Address of the service that the commands for pools and nodes talk to; empty: "
        "the one `compute serve` runs on the data folder, else `http://127.0.0.1:8000`.",
    )

    service_title: str = Field("ESGF Compute", description="Title in the capabilities.")
    service_abstract: str = Field(
        "Computes on climate data beside the archive and returns NetCDF over HTTP and OPeNDAP.",
        description="Abstract in the capabilities.",
    )
    service_keywords: tuple[str, ...] = Field(
        ("climate", "CMIP6", "ESGF", "NetCDF"),
        description="Keywords in the capabilities, comma separated.",
    )
    service_languages: tuple[str, ...] = Field(
        ("en-US",), description="Languages offered, the default first, comma separated."
    )
    service_fees: str = Field("none", description="Fees in the capabilities.")
    service_access_constraints: str = Field(
        "none", description="Access constraints in the capabilities."
    )
    provider_name: str = Field("ESGF Compute", description="Organisation that runs the service.")
    provider_site: str = Field("https://esgf.llnl.gov", description="Web site of the provider.")
    contact_name: str = Field("Service operator", description="Person or role to contact.")
    contact_position: str = Field("Operator", description="Position of the contact.")
    contact_phone: str = Field("", description="Telephone number of the contact.")
    contact_email: str = Field("", description="Mail address of the contact.")
    contact_address: str = Field("", description="Street address of the contact.")
    contact_city: str = Field("", description="City of the contact.")
    contact_region: str = Field("", description="Region or state of the contact.")
    contact_postal_code: str = Field("", description="Postal code of the contact.")
    contact_country: str = Field("", description="Country of the contact.")

    @field_validator(
        "allowed_hosts",
        "data_roots",
        "allowed_data_hosts",
        "weights",
        "kubernetes_command",
        "service_keywords",
        "service_languages",
        mode="before",
    )
    @classmethod
    def _split(cls, value: Any) -> Any:
        return _comma_list(value)

    @field_validator("weights", mode="after")
    @classmethod
    def _weights(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for part in value:
            found = WEIGHT.fullmatch(part)
            if not found or not float(found[1]):
                raise ValueError(f"{part!r} is not <name>=<number above 0>")
        return value

    @field_validator("data_dir", mode="after")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @property
    def archive_dir(self) -> Path:
        """Folder of local input files in the embedded default."""
        return self.data_dir / "archive"

    @property
    def outputs_dir(self) -> Path:
        """Folder of results: `<owner>/<job>/<file>.nc`."""
        return self.data_dir / "outputs"

    @property
    def workspace_dir(self) -> Path:
        """Folder of jobs in progress: `<job>/`."""
        return self.data_dir / "workspace"

    @property
    def database(self) -> str:
        """The database URL with the embedded default filled in."""
        return self.database_url or f"sqlite:///{self.data_dir / 'compute.sqlite3'}"

    @property
    def weights_by_name(self) -> dict[str, float]:
        """Turns by the name of the user, or `anonymous`, that takes them."""
        pairs = (part.rpartition("=") for part in self.weights)
        return {name.strip(): float(number) for name, _, number in pairs}

    @cached_property
    def sources(self) -> "SourcePolicy":
        """What the science layer may open and how."""
        # The science takes a second to import, which most commands need not wait for.
        from compute_tasks.sources.policy import SourcePolicy  # noqa: PLC0415

        return SourcePolicy(
            roots=self.data_roots or (self.archive_dir,),
            allowed_hosts=frozenset(self.allowed_data_hosts),
            mapping=self.url_mapping,
            indexes=self.data_dir / "cache" / "indexes",
            connections=self.host_connections,
            request_bytes=self.opendap_request_bytes,
            timeout=self.source_timeout,
            attempts=self.source_attempts,
            download_bytes=self.download_bytes,
        )

    def key(self) -> str:
        """Return the secret key; embedded mode makes one that only its owner can read."""
        if given := self.secret_key.get_secret_value():
            return given
        if not self.embedded:
            raise SettingsError("COMPUTE_SECRET_KEY must be set when COMPUTE_EMBEDDED is false")
        return self._made(self.data_dir / "secret_key")

    @property
    def address_file(self) -> Path:
        """File in which `compute serve` says where it answers."""
        return self.data_dir / "address"

    @property
    def operator_token_file(self) -> Path:
        """File in which the embedded mode keeps the operators' token."""
        return self.data_dir / "operator_token"

    def operator(self) -> str:
        """Return the operators' token; embedded mode makes one that only its owner can read."""
        if given := self.operator_token.get_secret_value():
            return given
        return self._made(self.operator_token_file) if self.embedded else ""

    def _made(self, path: Path) -> str:
        if not path.exists():
            self.data_dir.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile("w", dir=self.data_dir) as file:
                file.write(secrets.token_urlsafe(50))
                file.flush()
                # The first of several processes gives it the name; nobody sees half of it.
                with contextlib.suppress(FileExistsError):
                    os.link(file.name, path)
        return path.read_text()


def load(environ: dict[str, str] | None = None) -> Config:
    """Read the settings from the environment.

    Raises SettingsError naming each COMPUTE_* variable that is unknown or unusable, and, outside
    the embedded mode, each one that production needs.
    """
    environ = dict(os.environ) if environ is None else environ
    given = {
        name.removeprefix(PREFIX).lower(): value
        for name, value in environ.items()
        if name.startswith(PREFIX)
    }
    if unknown := sorted(given.keys() - Config.model_fields.keys()):
        names = ", ".join(PREFIX + name.upper() for name in unknown)
        raise SettingsError(f"unknown settings: {names}; see docs/reference/settings.md")
    try:
        config = Config(**given)  # type: ignore[arg-type]
    except ValidationError as error:
        problems = "; ".join(
            f"{PREFIX}{str(problem['loc'][0]).upper()}: {problem['msg']}"
            for problem in error.errors()
        )
        raise SettingsError(problems) from None
    if not config.embedded:
        needed = ("secret_key", "allowed_hosts", "database_url", "redis_url")
        if missing := [PREFIX + name.upper() for name in needed if not given.get(name)]:
            raise SettingsError(f"production (COMPUTE_EMBEDDED=false) needs {', '.join(missing)}")
    return config
