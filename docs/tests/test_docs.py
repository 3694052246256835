"""The documentation says what the code does: generated pages, links, and every Python block."""

import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import requests
from prometheus_client import REGISTRY

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
GENERATE = runpy.run_path(str(DOCS / "generate.py"))
MADE = GENERATE["PAGES"]
PAGES = sorted([*DOCS.rglob("*.md"), ROOT / "README.md", ROOT / "CHANGELOG.md"])
DATA_ADDRESSES = [
    "/data/fileServer/{path}",
    "/data/dodsC/{path}",
    "/data/catalog/{owner}/{job}/catalog.xml",
    "/data/catalog.xml",
]
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def reference(name):
    return (DOCS / "reference" / name).read_text(encoding="utf-8")


def anchors(page):
    headings = re.findall(r"^#+ (.+)$", FENCED.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", sorted(MADE))
def test_a_generated_page_is_up_to_date(name):
    assert reference(name) == MADE[name](), "run `make docs`"


def test_every_setting_is_documented():
    names = [f"`COMPUTE_{name.upper()}`" for name in GENERATE["Config"].model_fields]
    assert [name for name in names if name not in reference("settings.md")] == []


def test_every_process_and_parameter_is_documented():
    page = reference("processes.md")
    sections = dict(re.findall(r"^## (\S+)\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL))
    assert list(sections) == [process.identifier for process in GENERATE["catalog"]]
    for process in GENERATE["catalog"]:
        for parameter in process.parameters:
            assert f"`{parameter.name}`" in sections[process.identifier]


def test_every_error_code_and_class_is_documented_with_its_meaning():
    page = reference("errors.md")
    for code in GENERATE["exceptions"].STATUS:
        assert GENERATE["CODES_MEAN"][code] in page
    for kind in GENERATE["exceptions"].TABLE:
        assert f"`{kind.__name__}`" in page


def test_every_metric_is_documented():
    page = reference("metrics.md")
    names = [GENERATE["series"](family) for family in REGISTRY.collect()]
    ours = [name for name in names if not name.startswith(GENERATE["OF_THE_RUNTIME"])]
    assert ours
    assert [name for name in ours if f"`{name}`" not in page] == []


@pytest.mark.integration
def test_every_address_of_pools_and_nodes_is_documented(served):
    page = reference("nodes-rest.md")
    described = requests.get(f"{served.url}/api/openapi.json", timeout=30).json()
    assert [address for address in described["paths"] if f"`{address}`" not in page] == []


@pytest.mark.integration
def test_every_rest_address_is_documented(served):
    page = reference("rest.md")
    described = requests.get(f"{served.url}/wps/api/schema/", timeout=30).json()
    addresses = [*described["paths"], *DATA_ADDRESSES]
    assert [address for address in addresses if f"`{address}" not in page] == []


def test_settings_named_anywhere_exist():
    known = {f"COMPUTE_{name.upper()}" for name in GENERATE["Config"].model_fields}
    for page in PAGES:
        named = set(re.findall(r"COMPUTE_[A-Z_]*[A-Z]", page.read_text(encoding="utf-8")))
        assert named <= known, page


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(page):
    for target in LINK.findall(FENCED.sub("", page.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        linked = (page.parent / path).resolve() if path else page
        assert linked.exists(), f"{page.name} links {target}"
        if anchor:
            assert anchor in anchors(linked), f"{page.name} links {target}"


def test_every_page_is_reached_from_the_index():
    reached, ahead = set(), [DOCS / "index.md"]
    while ahead:
        page = ahead.pop()
        if page in reached:
            continue
        reached.add(page)
        targets = LINK.findall(page.read_text(encoding="utf-8"))
        ahead += [(page.parent / t).resolve() for t in targets if re.fullmatch(r"[\w./-]+\.md", t)]
    assert set(DOCS.rglob("*.md")) <= reached


def run_blocks(page, folder, address="http://localhost:8000"):
    """Run the Python blocks of a page one after the other, as its reader would."""
    blocks = BLOCK.findall(page.read_text(encoding="utf-8"))
    assert blocks
    script = "\n".join(blocks).replace("http://localhost:8000", address)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("COMPUTE_")}
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=folder,
        env=environment | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.integration
@pytest.mark.parametrize("name", ["README.md", "docs/quickstart.md"])
def test_the_python_blocks_run_against_a_service(name, served, tmp_path):
    (tmp_path / "data").symlink_to(served.data_dir)
    run_blocks(ROOT / name, tmp_path, served.url)


@pytest.mark.parametrize("name", ["write-a-process.md", "read-netcdf.md"])
def test_the_examples_of_a_how_to_run(name, tmp_path):
    run_blocks(DOCS / "how-to" / name, tmp_path)
