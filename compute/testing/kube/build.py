"""Fills the cache with a control plane: unpacked if there is an archive, else built from source.

The source is that of Debian bookworm's package `kubernetes`, which holds everything it needs; so is
the compiler. Building takes minutes and about 3 GB of scratch space; nothing is installed.

Usage: python -m compute.testing.kube.build
"""

import shutil
import sys
import tempfile
from pathlib import Path

from compute.testing.kube import assets
from compute.testing.kube.assets import AssetsError, command

VERSION = "1.20.5+really1.20.2-1.1+deb12u1"
SOURCES = """Types: {kind}
URIs: http://deb.debian.org/debian
Suites: bookworm
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
"""
TOOLS = (
    "golang-1.19-go",
    "golang-1.19-src",
    "rsync",
    "libpopt0",
    "libxxhash0",
    "jq",
    "libjq1",
    "libonig5",
)


def main() -> int:
    """Put every program into the cache and say where they are; 1 when that is not possible."""
    try:
        if not assets.has(assets.cache(), assets.CONTROL_PLANE):
            _control_plane()
        for name, path in assets.programs().items():
            print(f"{name}: {path}")
    except AssetsError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _control_plane() -> None:
    if packed := assets.archive():
        print(f"unpacking {packed} ...", flush=True)
        assets.unpack(packed)
        return
    print(f"building Kubernetes {VERSION} from source; some ten minutes ...", flush=True)
    with tempfile.TemporaryDirectory(prefix="kube-assets-") as scratch:
        _build(Path(scratch))


def _build(scratch: Path) -> None:
    options = _package_lists(scratch)
    command(["apt-get", *options, "update"], scratch)
    tools = _tools(scratch, options)
    command(["apt-get", *options, "source", "--download-only", f"kubernetes={VERSION}"], scratch)
    description = next(scratch.glob("kubernetes_*.dsc"))
    command(["dpkg-source", "--no-check", "-x", description.name, "source"], scratch)
    source = scratch / "source"
    package = source / ".go" / "src" / "k8s.io"
    package.mkdir(parents=True)
    (package / "kubernetes").symlink_to(source)
    what = " ".join(f"cmd/{name}" for name in assets.CONTROL_PLANE)
    command(
        ["make", "all", f"WHAT={what}", "GOGCFLAGS="],
        source,
        PATH=tools,
        GOROOT=str(scratch / "tools/usr/lib/go-1.19"),
        LD_LIBRARY_PATH=str(scratch / "tools/usr/lib/x86_64-linux-gnu"),
        GOPATH=str(source / ".go"),
        GOPROXY="off",
        GOFLAGS="-mod=vendor",
        CGO_ENABLED="0",
        HOME=str(scratch),
        KUBE_GIT_VERSION="v1.20.2",
        KUBE_GIT_MAJOR="1",
        KUBE_GIT_MINOR="20",
        KUBE_GIT_COMMIT="unknown",
        KUBE_GIT_TREE_STATE="archive",
    )
    with assets.filling() as folder:
        for name in assets.CONTROL_PLANE:
            shutil.copy(source / "_output/local/bin/linux/amd64" / name, folder)


def _package_lists(scratch: Path) -> list[str]:
    """Return options for lists that know bookworm's packages and sources, whatever runs here."""
    listed = scratch / "debian.sources"
    listed.write_text(SOURCES.format(kind="deb deb-src"))
    kept = ["-o", f"Dir::Etc::sourcelist={listed}", "-o", "Dir::Etc::sourceparts=-"]
    return [*kept, *assets.private_lists(scratch)]


def _tools(scratch: Path, options: list[str]) -> str:
    """Unpack what the build runs and return a PATH that finds it."""
    command(["apt-get", *options, "download", *TOOLS], scratch)
    for package in scratch.glob("*.deb"):
        command(["dpkg-deb", "-x", str(package), "tools"], scratch)
    return f"{scratch / 'tools/usr/lib/go-1.19/bin'}:{scratch / 'tools/usr/bin'}:/usr/bin:/bin"


if __name__ == "__main__":
    sys.exit(main())
