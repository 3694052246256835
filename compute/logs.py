"""Log lines: one event with its fields, as text for people or JSON for machines."""

import logging
import logging.config
from typing import TextIO

import structlog

# Libraries that report each task or request, beside our own line about the same event.
QUIET = {
    "celery.app.trace": "WARNING",
    "celery.worker.strategy": "WARNING",
    "django.security.DisallowedHost": "CRITICAL",
    "fsspec": "WARNING",
    "PYWPS": "CRITICAL",
    "urllib3": "WARNING",
}


def logging_config(format: str, level: str, *, stream: TextIO) -> None:
    """Send every log line of this process to `stream`.

    `format` is `text` or `json`, `level` the least level shown. Fields bound to the context
    (request and job ids) are added to each line, also to those of libraries.
    """
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"line": {"()": _formatter, "format": format, "shared": shared}},
            "handlers": {
                "stream": {
                    "class": "logging.StreamHandler",
                    "stream": stream,
                    "formatter": "line",
                }
            },
            "root": {"handlers": ["stream"], "level": level},
            "filters": {"broken": {"()": lambda: _has_cause}},
            "loggers": {
                "django.request": {"filters": ["broken"]},
                **{name: {"level": least} for name, least in QUIET.items()},
            },
        }
    )


def _has_cause(record: logging.LogRecord) -> bool:
    """Leave out the lines about answers that are refusals: only what broke has a cause."""
    return record.exc_info is not None


def _formatter(
    format: str, shared: list[structlog.typing.Processor]
) -> structlog.stdlib.ProcessorFormatter:
    renderer: list[structlog.typing.Processor]
    if format == "json":
        renderer = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    else:
        renderer = [
            structlog.dev.ConsoleRenderer(
                colors=False,
                pad_event_to=0,
                # The default shows local variables, which may hold secrets.
                exception_formatter=structlog.dev.plain_traceback,
            )
        ]
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer],
    )
