"""Which files may be served: finished results beneath the outputs folder, and nothing else."""

from pathlib import Path

NETCDF = ".nc"


class NotServedError(Exception):
    """There is no such result; the message is fit for the client."""


def find(root: Path, path: str) -> Path:
    """Return the result `<owner>/<job>/<file>`; NotServedError when it is not one.

    Names that begin with a dot are files in the making; links may not lead out of the folder.
    """
    parts = path.split("/")
    if len(parts) == 3 and all(map(_plain, parts)):
        file = _beneath(root, parts)
        if file is not None and file.is_file():
            return file
    raise NotServedError(f"no result {path!r}")


def find_netcdf(root: Path, path: str) -> Path:
    """Return the result if it is a NetCDF file, as its name tells; else as `find`."""
    if not path.endswith(NETCDF):
        raise NotServedError(f"no NetCDF result {path!r}")
    return find(root, path)


def listing(root: Path, owner: str, job: str) -> list[Path]:
    """Return the results of a job by name; NotServedError when there is no such job."""
    if _plain(owner) and _plain(job):
        folder = _beneath(root, [owner, job])
        if folder is not None and folder.is_dir():
            return sorted(file for file in folder.iterdir() if _is_result(file))
    raise NotServedError(f"no results of job {job!r}")


def _is_result(file: Path) -> bool:
    return _plain(file.name) and file.is_file() and not file.is_symlink()


def _plain(part: str) -> bool:
    return bool(part) and not part.startswith(".") and part.isprintable() and "\\" not in part


def _beneath(root: Path, parts: list[str]) -> Path | None:
    try:
        file = root.joinpath(*parts).resolve(strict=True)
    except OSError:
        return None
    return file if file.is_relative_to(root.resolve()) else None
