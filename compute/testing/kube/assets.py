"""Where the programs of a control plane come from: a folder, an archive or what was built before.

The first of these that there is: the folder `$KUBE_ASSETS`, the archive `$KUBE_ARCHIVE`, an archive
in `../shared/kube-assets` beside the checkout, and the cache that `make kube-assets` fills.
"""

import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

CONTROL_PLANE = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
ETCD = "etcd"
PROGRAMS = (*CONTROL_PLANE, ETCD)
CHECKOUT = Path(__file__).parents[3]


class AssetsError(Exception):
    """The programs of a control plane cannot be had here; says where they were looked for."""


def cache() -> Path:
    """Return the folder where unpacked, built and downloaded programs are kept."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "esgf-compute" / "kube"


def programs() -> dict[str, Path]:
    """Return the path of every program by its name; raises AssetsError when one is missing."""
    if given := os.environ.get("KUBE_ASSETS"):
        return _in(Path(given))
    found = archive()
    if not has(cache(), CONTROL_PLANE) and found:
        unpack(found)
    if not has(cache(), CONTROL_PLANE):
        raise AssetsError(
            "no Kubernetes control plane: set KUBE_ASSETS to a folder with "
            f"{', '.join(PROGRAMS)}, KUBE_ARCHIVE to an archive of them, or run `make kube-assets`"
        )
    etcd()
    return _in(cache())


def archive() -> Path | None:
    """Return the archive of built programs, if one is given or lies beside the checkout."""
    if given := os.environ.get("KUBE_ARCHIVE"):
        return Path(given)
    beside = sorted((CHECKOUT.parent / "shared" / "kube-assets").glob("kubernetes-*.tar.xz"))
    return beside[-1] if beside else None


def has(folder: Path, names: Sequence[str]) -> bool:
    """Tell whether the folder holds these programs."""
    return all(os.access(folder / name, os.X_OK) for name in names)


def unpack(packed: Path) -> None:
    """Put the programs of an archive into the cache."""
    try:
        with tarfile.open(packed) as tar, filling() as folder:
            tar.extractall(folder, filter="data")
    except (OSError, tarfile.TarError) as error:
        raise AssetsError(f"the archive {packed} cannot be unpacked: {error}") from error


def etcd() -> None:
    """Put etcd into the cache: the one installed here, else that of Debian's package."""
    if has(cache(), [ETCD]):
        return
    with filling() as folder:
        if installed := shutil.which(ETCD):
            shutil.copy(installed, folder / ETCD)
            return
        with tempfile.TemporaryDirectory() as scratch:
            package = download("etcd-server", Path(scratch))
            command(["dpkg-deb", "-x", str(package), scratch], Path(scratch))
            shutil.copy(Path(scratch) / "usr/bin/etcd", folder / ETCD)


def download(package: str, folder: Path) -> Path:
    """Download a Debian package, not installing it; raises AssetsError when that cannot be."""
    try:
        command(["apt-get", "download", package], folder)
    except AssetsError:
        # A fresh container knows of no packages; a list of our own needs no rights.
        options = private_lists(folder)
        command(["apt-get", *options, "update"], folder)
        command(["apt-get", *options, "download", package], folder)
    return next(folder.glob(f"{package}_*.deb"))


def private_lists(folder: Path) -> list[str]:
    """Return options that let apt-get keep its package lists in a folder."""
    (folder / "lists" / "partial").mkdir(parents=True, exist_ok=True)
    return ["-o", f"Dir::State::lists={folder / 'lists'}"]


def command(arguments: Sequence[str], folder: Path, **environment: str) -> None:
    """Run a command to its end; raises AssetsError with its last lines when it fails."""
    try:
        ended = subprocess.run(
            arguments,
            cwd=folder,
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
    except OSError as error:
        raise AssetsError(f"{arguments[0]} cannot be run: {error}") from error
    if ended.returncode:
        tail = "\n".join(ended.stdout.splitlines()[-10:])
        raise AssetsError(f"`{' '.join(arguments)}` failed ({ended.returncode}):\n{tail}")


@contextmanager
def filling() -> Iterator[Path]:
    """Give a folder whose files are in the cache, each complete, when the context ends well."""
    cache().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache()) as scratch:
        folder = Path(scratch)
        yield folder
        for name in PROGRAMS:
            if (made := folder / name).exists():
                made.chmod(0o755)
                made.replace(cache() / name)


def _in(folder: Path) -> dict[str, Path]:
    if missing := [name for name in PROGRAMS if not has(folder, [name])]:
        raise AssetsError(f"{folder} lacks {', '.join(missing)}")
    return {name: folder / name for name in PROGRAMS}
