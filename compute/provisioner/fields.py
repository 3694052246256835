"""The values of records as people write them: names, labels, amounts, addresses of machines.

Each type checks what is given, says in a sentence what is wrong, and brings it into one form.
"""

import re
from collections.abc import Callable
from ipaddress import ip_address
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

LARGEST_COUNT = 2**31 - 1
LARGEST_BYTES = 2**63 - 1
LONGEST_NAME = 63
LONGEST_POOL_NAME = 48

UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15} | {
    "Ki": 2**10,
    "Mi": 2**20,
    "Gi": 2**30,
    "Ti": 2**40,
    "Pi": 2**50,
}
ARCHITECTURES = {"amd64": "x86_64", "x64": "x86_64", "arm64": "aarch64"} | {
    name: name for name in ("x86_64", "aarch64", "ppc64le", "riscv64", "s390x")
}

NAME = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
LABEL_PREFIX = rf"{NAME}(\.{NAME})*/"
LABEL_KEY = rf"({LABEL_PREFIX})?[A-Za-z]([-\w.]*[A-Za-z0-9])?"
LABEL_VALUE = r"([A-Za-z0-9]([-\w.]*[A-Za-z0-9])?)?"
XNAME = r"x(\d{1,4})c([0-7])s(\d+)b(\d+)n(\d+)(?:v(\d+))?"
MAC = "[:-]?".join(["([0-9a-f]{2})"] * 6)
QUEUE = r"[A-Za-z0-9][\w.-]*(,[A-Za-z0-9][\w.-]*)*"
USER = r"([a-z_][a-z0-9_-]*)?"
SSH_KEY = r"((ssh|ecdsa|sk)-[\w@.-]+ [A-Za-z0-9+/]+=*( [^\n]*)?)?"
URL = r"(https?|ftp|tftp|nfs|s3|oci)://\S+"
BYTES = rf"(\d+(?:\.\d+)?) ?({'|'.join(UNITS)})B?"
CORES = r"(\d+)m"


def _matches(pattern: str, meaning: str, longest: int) -> Callable[[str], str]:
    compiled = re.compile(pattern, re.ASCII)

    def check(value: str) -> str:
        if len(value) > longest or not compiled.fullmatch(value):
            raise ValueError(f"{_shown(value)} is not {meaning}")
        return value

    return check


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:76]}...'"


def _is_name(what: str, longest: int) -> AfterValidator:
    meaning = f"{what}: small letters, digits and inner hyphens, {longest} at most"
    return AfterValidator(_matches(NAME, meaning, longest))


def _bytes(value: Any) -> Any:
    if isinstance(value, str) and (found := re.fullmatch(BYTES, value.strip())):
        return round(float(found[1]) * UNITS[found[2]])
    if isinstance(value, str):
        raise ValueError(f"{_shown(value)} is not a number of bytes such as 4Gi, 512M or 1000000")
    return value


def _cores(value: Any) -> Any:
    if isinstance(value, str) and (found := re.fullmatch(CORES, value.strip())):
        return int(found[1]) / 1000
    return value


def _xname(value: str) -> str:
    if not value:
        return ""
    found = re.fullmatch(XNAME, value.lower(), re.ASCII)
    if not found or len(value) > LONGEST_NAME:
        raise ValueError(
            f"{_shown(value)} is not the xname of a node: x<cabinet 0-9999>c<chassis 0-7>"
            "s<slot>b<bmc>n<node>, such as x3000c0s17b1n0, with v<number> for a virtual node"
        )
    parts = zip("xcsbnv", found.groups(), strict=True)
    return "".join(f"{letter}{int(number)}" for letter, number in parts if number is not None)


def _mac(value: str) -> str:
    if not value:
        return ""
    found = re.fullmatch(MAC, value.lower(), re.ASCII)
    if not found:
        raise ValueError(f"{_shown(value)} is not a MAC address such as a4:bf:01:2b:3c:4d")
    if int(found[1], 16) & 1:
        raise ValueError(f"{_shown(value)} is the MAC address of a group, not of one machine")
    return ":".join(found.groups())


def _address(value: str) -> str:
    if not value:
        return ""
    try:
        found = ip_address(value)
    except ValueError:
        raise ValueError(
            f"{_shown(value)} is not an IP address such as 10.1.0.17 or fd00::17"
        ) from None
    if found.is_unspecified or found.is_multicast or found.is_loopback:
        raise ValueError(f"{value} is not the address of another machine")
    return str(found)


def _architecture(value: str) -> str:
    if value and value.lower() not in ARCHITECTURES:
        choices = ", ".join(sorted(set(ARCHITECTURES.values())))
        raise ValueError(f"{_shown(value)} is not an architecture; there are {choices}")
    return ARCHITECTURES.get(value.lower(), "")


def _url(value: str) -> str:
    if value and (len(value) > 2000 or not re.fullmatch(URL, value, re.ASCII)):
        raise ValueError(f"{_shown(value)} is not an address such as https://host/path")
    return value


def _schema(pattern: str, **more: Any) -> Any:
    return Field(json_schema_extra={"pattern": f"^({pattern})$", **more})


Name = Annotated[
    str, _is_name("a name", LONGEST_NAME), _schema(NAME, minLength=1, maxLength=LONGEST_NAME)
]
PoolName = Annotated[
    str,
    _is_name("the name of a pool", LONGEST_POOL_NAME),
    _schema(NAME, minLength=1, maxLength=LONGEST_POOL_NAME),
]
LabelKey = Annotated[
    str,
    AfterValidator(
        _matches(
            LABEL_KEY,
            "the key of a label: a letter, then letters, digits, `-`, `_` and `.`, with an "
            "optional `domain/` before it",
            253,
        )
    ),
]
LabelValue = Annotated[
    str,
    AfterValidator(
        _matches(
            LABEL_VALUE,
            "the value of a label: letters, digits, inner `-`, `_` and `.`, 63 at most",
            63,
        )
    ),
    _schema(LABEL_VALUE, maxLength=63),
]
Labels = dict[LabelKey, LabelValue]
Queue = Annotated[
    str,
    AfterValidator(
        _matches(QUEUE, "the name of a queue, such as ingress, or several with commas", 64)
    ),
    _schema(QUEUE, maxLength=64),
]
UserName = Annotated[
    str,
    AfterValidator(_matches(USER, "the name of a user, such as admin", 32)),
    _schema(USER, maxLength=32),
]
SshKey = Annotated[
    str,
    AfterValidator(
        _matches(SSH_KEY, "a public SSH key such as `ssh-ed25519 AAAA... name`", 16_000)
    ),
    _schema(SSH_KEY, maxLength=16_000),
]

Count = Annotated[int, Field(ge=0, le=LARGEST_COUNT)]
AtLeastOne = Annotated[int, Field(ge=1, le=LARGEST_COUNT)]
Seconds = Annotated[float, Field(ge=0, le=10**8)]
SecondsAboveZero = Annotated[float, Field(gt=0, le=10**8)]
Price = Annotated[float, Field(ge=0, le=10**6)]
Bytes = Annotated[
    int,
    BeforeValidator(_bytes),
    Field(ge=0, le=LARGEST_BYTES),
    WithJsonSchema(
        {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": f"^{BYTES}$"}]}
    ),
]
Cores = Annotated[
    float,
    BeforeValidator(_cores),
    Field(ge=0, le=100_000),
    WithJsonSchema(
        {"anyOf": [{"type": "number", "minimum": 0}, {"type": "string", "pattern": f"^{CORES}$"}]}
    ),
]

XName = Annotated[str, AfterValidator(_xname), _schema(f"({XNAME})?")]
Mac = Annotated[str, AfterValidator(_mac)]
Address = Annotated[str, AfterValidator(_address)]
Architecture = Annotated[
    str, AfterValidator(_architecture), Field(json_schema_extra={"enum": ["", *ARCHITECTURES]})
]
Url = Annotated[str, AfterValidator(_url), _schema(f"({URL})?", maxLength=2000)]
