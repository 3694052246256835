"""The least a client does: send a workflow and look at its job, over WPS and REST."""

import json
from collections.abc import Mapping
from typing import Any

import requests
from lxml import etree

SECONDS = 20.0
"""How long an answer may take."""

Json = dict[str, Any]


def texts(source: str, variable: str, process: str, **more: Any) -> dict[str, str]:
    """Return the three inputs of one operation on one variable of one file.

    `domain` among the additional values is the domain's dimensions, any other a parameter.
    """
    domain = more.pop("domain", None)
    operation = {"name": process, "result": "op0", "input": ["v0"], **more}
    if domain:
        operation["domain"] = "d0"
    return {
        "variable": json.dumps([{"uri": source, "id": f"{variable}|v0"}]),
        "domain": json.dumps([{"id": "d0", **domain}] if domain else []),
        "operation": json.dumps([operation]),
    }


def accept(
    url: str, process: str, inputs: Mapping[str, str], headers: Mapping[str, str] | None = None
) -> str:
    """Send a workflow that is to be computed anew and return the id of its job.

    Raises requests.RequestException when the service does not accept it.
    """
    pairs = ";".join(f"{name}={text}" for name, text in inputs.items())
    answer = requests.get(
        f"{url}/wps",
        {
            "service": "WPS",
            "request": "Execute",
            "version": "1.0.0",
            "identifier": process,
            "DataInputs": pairs,
            "storeExecuteResponse": "true",
            "status": "true",
            "reuse": "false",
        },
        headers=dict(headers or {}),
        timeout=SECONDS,
    )
    answer.raise_for_status()
    location = etree.fromstring(answer.content).get("statusLocation", "")
    return location.rpartition("/")[2].partition(".")[0]


def job(url: str, job_id: str) -> Json:
    """Return the job as REST shows it."""
    return _json(f"{url}/wps/api/job/{job_id}")


def messages(url: str, job_id: str) -> list[str]:
    """Return what was said of a job, in the order it was said."""
    links = job(url, job_id)["status_links"]
    said = [entry for link in links for entry in _json(link)["message"]]
    return [entry["message"] for entry in sorted(said, key=lambda entry: entry["created_date"])]


def _json(address: str) -> Json:
    answer = requests.get(address, timeout=SECONDS)
    answer.raise_for_status()
    return dict(answer.json())
