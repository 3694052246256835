"""Declared processes and settings for the tests of documents."""

import pywps
from pywps.app.Common import Metadata
from pywps.inout.literaltypes import AllowedValue, AnyValue, ValuesReference

from compute_wps.protocol.responses import ServiceMetadata

JSON = pywps.Format("application/json")


def cdat(identifier="CDAT.subset"):
    return pywps.Process(
        handler=None,
        identifier=identifier,
        title="Subset",
        abstract="Cut out a region & a period.",
        version="1.0.0",
        metadata=[Metadata("1 input")],
        keywords=["never shown in WPS 1.0.0"],
        inputs=[
            pywps.ComplexInput(name, name.title(), supported_formats=[JSON])
            for name in ("variable", "domain", "operation")
        ],
        outputs=[pywps.ComplexOutput("output", "Results", supported_formats=[JSON])],
        store_supported=True,
        status_supported=True,
    )


def rich():
    """Return a process with every kind of literal input."""
    literals = [
        pywps.LiteralInput("text", "Text", data_type="string", default="a <b>", min_occurs=0),
        pywps.LiteralInput("flag", "Flag", data_type="boolean", default=True, min_occurs=0),
        pywps.LiteralInput("count", "Count", data_type="integer", min_occurs=0, max_occurs=3),
        pywps.LiteralInput("size", "Size", data_type="positiveInteger", min_occurs=0),
        pywps.LiteralInput(
            "method",
            "Method",
            data_type="string",
            allowed_values=["nearest", "linear"],
            min_occurs=0,
        ),
        pywps.LiteralInput(
            "level",
            "Level",
            data_type="float",
            uoms=["meter", "feet"],
            allowed_values=[AllowedValue(minval=0.5, maxval=10, spacing=0.5)],
            min_occurs=0,
        ),
        pywps.LiteralInput(
            "day", data_type="date", min_occurs=0, allowed_values=["2000-01-01", AnyValue()]
        ),
        pywps.LiteralInput("angle", "Angle", data_type="angle", min_occurs=0),
        pywps.LiteralInput(
            "code",
            "Code",
            data_type="string",
            min_occurs=0,
            allowed_values=[ValuesReference(reference="http://example.org/codes")],
        ),
    ]
    netcdf = pywps.Format("application/x-netcdf", encoding="base64", schema="http://h/s.xsd")
    return pywps.Process(
        handler=None,
        identifier="rich",
        title="Rich",
        metadata=[Metadata("Manual", href="http://example.org/a?b&c", role="http://h/role")],
        inputs=[
            *literals,
            pywps.ComplexInput(
                "file", "File", supported_formats=[netcdf, JSON], min_occurs=0, max_occurs=None
            ),
        ],
        outputs=[
            pywps.LiteralOutput("number", "Number", data_type="float", uoms=["meter"]),
            pywps.ComplexOutput("file", "File", supported_formats=[netcdf]),
        ],
    )


def service(**changes):
    texts = {name: f"{name} <&>" for name in ServiceMetadata.__dataclass_fields__}
    fixed = {
        "service_keywords": ("climate", "CMIP6"),
        "service_languages": ("en-US", "de"),
        "provider_site": "http://example.org/",
    }
    return ServiceMetadata(**{**texts, **fixed, **changes})
