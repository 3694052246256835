"""REST as an operator's program uses it."""

import json
from typing import Any

from django.conf import settings
from django.test import Client


class Operator:
    """Sends requests with the operators' token."""

    def __init__(self) -> None:
        self.client = Client(headers={"Authorization": f"Bearer {settings.OPERATOR_TOKEN}"})

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        data = "" if body is None else json.dumps(body)
        return self.client.generic(
            method, f"/api/{path}", data, content_type="application/json", headers=given
        )

    def get(self, path: str) -> Any:
        answer = self.ask("GET", path)
        assert answer.status_code == 200, answer.content
        return answer.json()

    def create(self, path: str, **body: Any) -> Any:
        answer = self.ask("POST", path, body)
        assert answer.status_code == 201, answer.content
        return answer.json()

    def change(self, path: str, **changes: Any) -> Any:
        answer = self.ask("PATCH", path, changes, If_Match="*")
        assert answer.status_code == 200, answer.content
        return answer.json()

    def names(self, path: str) -> list[str]:
        return [item["name"] for item in self.get(path)["items"]]
