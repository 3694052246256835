"""Our side of a case in a process that stays, as in a worker: from the request to the files."""

import json
import shutil
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from compute_tasks.benchmarks.standing import serve
from compute_tasks.document import parse
from compute_tasks.plan import build
from compute_tasks.run import run
from compute_tasks.sources.policy import SourcePolicy


def prepare(question: dict[str, Any]) -> Callable[[], object]:
    """Return the work: the results of `request` in `format` in the folder `output`."""
    request, output = question["request"], Path(question["output"])
    shutil.rmtree(output, ignore_errors=True)
    texts = {name: json.dumps(request[name]) for name in ("variable", "domain", "operation")}

    def work() -> object:
        return run(
            build(parse(request["identifier"], **texts)),
            sources=SourcePolicy(roots=(Path("/"),)),
            workspace=output / "workspace",
            destination=output,
            uid=uuid.uuid4().hex,
            provenance={},
            format=question["format"],
            report=lambda percent, message: None,
            cancelled=lambda: False,
        )

    return work


if __name__ == "__main__":
    serve(prepare)
