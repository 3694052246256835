"""The capabilities document."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any, Self

import pywps
from lxml import etree

from compute_wps.protocol.descriptions import add_brief
from compute_wps.protocol.elements import add, root, serialize
from compute_wps.protocol.requests import VERSION

OPERATIONS = ("GetCapabilities", "DescribeProcess", "Execute")

_ADDRESS = (
    ("ows:DeliveryPoint", "contact_address"),
    ("ows:City", "contact_city"),
    ("ows:AdministrativeArea", "contact_region"),
    ("ows:PostalCode", "contact_postal_code"),
    ("ows:Country", "contact_country"),
    ("ows:ElectronicMailAddress", "contact_email"),
)


@dataclass(frozen=True, slots=True)
class ServiceMetadata:
    """What the service says about itself.

    Empty contact lines are left out; the first language is the default.
    """

    service_title: str
    service_abstract: str
    service_keywords: tuple[str, ...]
    service_languages: tuple[str, ...]
    service_fees: str
    service_access_constraints: str
    provider_name: str
    provider_site: str
    contact_name: str
    contact_position: str
    contact_phone: str
    contact_email: str
    contact_address: str
    contact_city: str
    contact_region: str
    contact_postal_code: str
    contact_country: str

    @classmethod
    def of(cls, settings: Any) -> Self:
        """Take the fields from an object that has attributes of these names."""
        return cls(**{field.name: getattr(settings, field.name) for field in fields(cls)})


def capabilities(
    service: ServiceMetadata,
    processes: Iterable[pywps.Process],
    endpoint: str,
    language: str,
    update_sequence: str | None = None,
) -> bytes:
    """Return the capabilities document; `endpoint` is the absolute address of the service."""
    attributes = {"service": "WPS", "version": VERSION}
    if update_sequence:
        attributes["updateSequence"] = update_sequence
    document = root(
        "wps:Capabilities", "wps/1.0.0/wpsGetCapabilities_response.xsd", language, attributes
    )
    _add_identification(document, service)
    _add_provider(document, service)
    _add_operations(document, endpoint)
    offerings = add(document, "wps:ProcessOfferings")
    for process in processes:
        add_brief(add(offerings, "wps:Process"), process)
    _add_languages(document, service.service_languages)
    return serialize(document)


def _add_identification(document: etree._Element, service: ServiceMetadata) -> None:
    element = add(document, "ows:ServiceIdentification")
    add(element, "ows:Title", service.service_title)
    add(element, "ows:Abstract", service.service_abstract)
    if service.service_keywords:
        keywords = add(element, "ows:Keywords")
        for keyword in service.service_keywords:
            add(keywords, "ows:Keyword", keyword)
    add(element, "ows:ServiceType", "WPS")
    add(element, "ows:ServiceTypeVersion", VERSION)
    add(element, "ows:Fees", service.service_fees)
    add(element, "ows:AccessConstraints", service.service_access_constraints)


def _add_provider(document: etree._Element, service: ServiceMetadata) -> None:
    element = add(document, "ows:ServiceProvider")
    add(element, "ows:ProviderName", service.provider_name)
    if service.provider_site:
        add(element, "ows:ProviderSite", attributes={"xlink:href": service.provider_site})
    contact = add(element, "ows:ServiceContact")
    if service.contact_name:
        add(contact, "ows:IndividualName", service.contact_name)
    if service.contact_position:
        add(contact, "ows:PositionName", service.contact_position)
    information = add(contact, "ows:ContactInfo")
    if service.contact_phone:
        add(add(information, "ows:Phone"), "ows:Voice", service.contact_phone)
    lines = [(tag, getattr(service, field)) for tag, field in _ADDRESS]
    if any(text for _, text in lines):
        address = add(information, "ows:Address")
        for tag, text in lines:
            if text:
                add(address, tag, text)


def _add_operations(document: etree._Element, endpoint: str) -> None:
    metadata = add(document, "ows:OperationsMetadata")
    for operation in OPERATIONS:
        element = add(metadata, "ows:Operation", attributes={"name": operation})
        http = add(add(element, "ows:DCP"), "ows:HTTP")
        add(http, "ows:Get", attributes={"xlink:href": endpoint + "?"})
        add(http, "ows:Post", attributes={"xlink:href": endpoint})


def _add_languages(document: etree._Element, offered: tuple[str, ...]) -> None:
    languages = add(document, "wps:Languages")
    add(add(languages, "wps:Default"), "ows:Language", offered[0])
    supported = add(languages, "wps:Supported")
    for language in offered:
        add(supported, "ows:Language", language)
