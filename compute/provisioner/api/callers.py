"""Who may do what: operators everything, everybody else may look at their own nodes."""

import hmac
from dataclasses import dataclass

from django.conf import settings
from django.http import HttpRequest

from compute.provisioner.api.problems import Refused
from compute_wps import identity

OPERATOR = "operator"
CHALLENGE = {"WWW-Authenticate": 'Bearer realm="operators"'}


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads: an operator sees everything, an owner what is theirs."""

    owner: str
    is_operator: bool


def operator(request: HttpRequest) -> str:
    """Return the name events give the operator who asks; refuse everybody else."""
    if reader(request).is_operator:
        return OPERATOR
    raise Refused(
        401, "this needs the token of an operator: Authorization: Bearer <token>", CHALLENGE
    )


def reader(request: HttpRequest) -> Reader:
    """Return who reads; a token that is wrong is refused rather than ignored."""
    owner = identity.caller(request).owner
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        return Reader(owner, False)
    expected = settings.OPERATOR_TOKEN
    if expected and hmac.compare_digest(token.strip().encode(), expected.encode()):
        return Reader(owner, True)
    raise Refused(401, "the token is not that of an operator", CHALLENGE)
