import io
import json
import logging
import sys

import pytest
import structlog

from compute.logs import logging_config


@pytest.fixture
def configured():
    """Configure logging as a process does; afterwards it is as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level

    def configure(format: str) -> io.StringIO:
        stream = io.StringIO()
        logging_config(format, "INFO", stream=stream)
        return stream

    yield configure
    logging_config("text", "INFO", stream=sys.stderr)
    root.handlers[:] = handlers
    root.setLevel(level)


def test_json_lines_hold_event_ids_and_causes(configured):
    stream = configured("json")
    with structlog.contextvars.bound_contextvars(request="r1"):
        structlog.get_logger("compute_wps.jobs").info("job started", job="j1")
        try:
            raise ValueError("cause")
        except ValueError:
            logging.getLogger("library").exception("broke on %s", "x")
    first, second = map(json.loads, stream.getvalue().splitlines())
    assert (first["event"], first["job"], first["request"]) == ("job started", "j1", "r1")
    assert first["level"] == "info"
    assert (second["event"], second["request"]) == ("broke on x", "r1")
    assert "ValueError: cause" in second["exception"]


def test_text_lines_hold_event_and_ids(configured):
    stream = configured("text")
    structlog.get_logger("compute_wps.jobs").info("job started", job="j1")
    (line,) = stream.getvalue().splitlines()
    assert "job started" in line
    assert "job=j1" in line


def test_refusals_are_not_errors_of_the_service(configured):
    stream = configured("text")
    logger = logging.getLogger("django.request")
    logger.error("Service Unavailable: /ready")
    assert stream.getvalue() == ""
    logger.error("broken", exc_info=ValueError("cause"))
    assert "cause" in stream.getvalue()
