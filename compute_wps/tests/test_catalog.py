import re

import pytest
import pywps

from compute_tasks.registry import catalog as registry
from compute_wps import catalog
from compute_wps.protocol.exceptions import ProtocolError
from compute_wps.protocol.responses import ServiceMetadata, capabilities, descriptions
from compute_wps.protocol.tests.declarations import service
from compute_wps.tests.schemas import find, validate

MODULE = """
import pywps

OUTPUT = [pywps.LiteralOutput("out", "Out")]
BOX = [pywps.BoundingBoxInput("box", "Box", ["epsg:4326"])]
ODD = [pywps.ComplexInput("file", "File", [pywps.Format("strange")])]


class Hello(pywps.Process):
    def __init__(self):
        super().__init__(self._handler, "site.hello", "Hello", outputs=OUTPUT)

    def _handler(self, request, response):
        response.outputs["out"].data = "hello"


def process(identifier, inputs=(), outputs=OUTPUT):
    return pywps.Process(None, identifier, "Title", inputs=list(inputs), outputs=list(outputs))


several = [
    process("site.one"),
    process("site.one"),
    process("CDAT.subset"),
    process("two.dots.here"),
    process("site.box", BOX),
    process("site.odd", ODD),
    process("site.mute", outputs=()),
    "no process",
]
"""
METADATA = "Metadata-Version: 2.1\nName: site-processes\nVersion: 1\n"
ENTRIES = """
[compute.processes]
hello = site_processes:Hello
several = site_processes:several
broken = site_processes:missing
"""


@pytest.fixture
def site(tmp_path, monkeypatch):
    """Put a package of a site on the path, as pip would, and forget it afterwards."""
    (tmp_path / "site_processes.py").write_text(MODULE)
    information = tmp_path / "site_processes-1.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: site-processes\nVersion: 1\n"
    )
    (information / "entry_points.txt").write_text(ENTRIES)
    monkeypatch.syspath_prepend(tmp_path)
    catalog.offered.cache_clear()
    yield
    catalog.offered.cache_clear()


def test_every_process_of_the_registry_is_offered_with_three_documents_and_one_output():
    assert list(catalog.offered())[: len(list(registry))] == [p.identifier for p in registry]
    for process in registry:
        declared = catalog.find(process.identifier)
        assert [i.identifier for i in declared.inputs] == ["variable", "domain", "operation"]
        assert [(i.min_occurs, i.max_occurs) for i in declared.inputs] == [(1, 1)] * 3
        assert [o.identifier for o in declared.outputs] == ["output"]
        assert catalog.is_ours(process.identifier)


def test_abstracts_say_what_clients_need():
    for process in registry:
        abstract = catalog.find(process.identifier).abstract
        assert process.abstract in abstract
        assert re.search(r"Accepts \d+( to \d+| or more)? inputs?\.", abstract)
        for parameter in process.parameters:
            assert f"- {parameter.name} (" in abstract


def test_no_identifier_has_more_than_one_dot():
    assert all(identifier.count(".") <= 1 for identifier in catalog.offered())


def test_an_unknown_process_is_refused_with_the_offered_ones():
    with pytest.raises(ProtocolError, match=r"CDAT\.subset") as caught:
        catalog.find("CDAT.nothing")
    assert (caught.value.code, caught.value.locator) == ("InvalidParameterValue", "identifier")


@pytest.mark.parametrize("word", ["all", "ALL", "All"])
def test_all_selects_every_process(word):
    assert catalog.select([word]) == tuple(catalog.offered().values())


def test_an_unknown_process_is_refused_beside_a_known_one():
    assert [p.identifier for p in catalog.select(["CDAT.subset"])] == ["CDAT.subset"]
    with pytest.raises(ProtocolError):
        catalog.select(["CDAT.subset", "CDAT.nothing"])


def test_the_documents_of_the_whole_catalog_are_valid():
    processes = catalog.offered().values()
    metadata: ServiceMetadata = service()
    document = capabilities(metadata, processes, "http://h/wps", "en-US", catalog.update_sequence())
    assert find(validate(document), "count(//wps:Process[ows:Abstract!=''])") == len(processes)
    assert len(validate(descriptions(processes, "en-US", 3_000_000))) == len(processes)


def test_the_update_sequence_is_a_time():
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", catalog.update_sequence())


def test_processes_of_other_packages_are_offered_and_described(site):
    hello = catalog.find("site.hello")
    assert isinstance(hello, pywps.Process)
    assert not catalog.is_ours("site.hello")
    assert hello.abstract == "Hello"
    assert (hello.store_supported, hello.status_supported) == ("true", "true")
    validate(descriptions([hello], "en-US"))


def test_what_cannot_be_offered_is_logged_and_left_out(site, caplog):
    ours = {process.identifier for process in registry}
    assert set(catalog.offered()) == {*ours, "site.hello", "site.one"}
    for reason in (
        "'site.one' is taken",
        "'CDAT.subset' is taken",
        "more than one dot",
        "bounding boxes",
        "not a media type",
        "no output",
        "not a pywps.Process",
        "site_processes:missing cannot be loaded",
    ):
        assert reason in caplog.text
