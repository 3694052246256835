"""The service we compare with: PyWPS as its users run it, with 25 small processes.

gunicorn --workers 2 compute.benchmarks.peer:application
"""

import pywps

PROCESSES = 25


class Small(pywps.Process):
    """Multiply a number."""

    def __init__(self, number: int) -> None:
        super().__init__(
            self._answer,
            identifier=f"small{number}",
            title=f"Small process {number}",
            abstract="Multiply a number by another one and add a third.",
            version="1.0",
            inputs=[
                pywps.LiteralInput("value", "What is multiplied", data_type="float"),
                pywps.LiteralInput("factor", "By what", data_type="float", default=2, min_occurs=0),
                pywps.LiteralInput(
                    "offset", "Added to it", data_type="float", default=0, min_occurs=0
                ),
            ],
            outputs=[pywps.LiteralOutput("result", "Result", data_type="float")],
            store_supported=True,
            status_supported=True,
        )

    @staticmethod
    def _answer(
        request: pywps.app.WPSRequest, response: pywps.response.execute.ExecuteResponse
    ) -> pywps.response.execute.ExecuteResponse:
        value, factor, offset = (
            request.inputs[name][0].data for name in ("value", "factor", "offset")
        )
        response.outputs["result"].data = value * factor + offset
        return response


application = pywps.Service([Small(number) for number in range(PROCESSES)])
