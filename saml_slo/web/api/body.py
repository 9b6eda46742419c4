"""JSON bodies, read strictly: what two parsers could read differently is refused (security L239).

One object in UTF-8 without a byte order mark, no name twice in it, no NaN or Infinity, no lone surrogates; then the
model, which converts nothing and knows every name.
"""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any, TypeVar

from flask import Request
from pydantic import BaseModel, ValidationError

from saml_slo.errors import Reason, RequestRefused

MAX_BODY_BYTES = 16 * 1024
_CHARSETS = ("", "charset=utf-8", 'charset="utf-8"')
_BOM = b"\xef\xbb\xbf"
M = TypeVar("M", bound=BaseModel)


class BodyRefused(RequestRefused):
    """The body cannot be used; `status` is HTTP's own number for it."""

    def __init__(
        self,
        message: str,
        *,
        expected: str,
        got: str = "",
        setting: str = "",
        reason: Reason = Reason.API_BAD_REQUEST,
        status: int = HTTPStatus.BAD_REQUEST,
        next_step: str = "See the document at /api/v1/openapi.json.",
    ) -> None:
        super().__init__(
            message,
            reason=reason,
            expected=expected,
            got=got,
            setting=setting,
            next_step=next_step,
        )
        self.status = int(status)


def read_object(request: Request, *, optional: bool = False) -> dict[str, Any]:
    """Return the JSON object of a request, empty where there may be none; raise BodyRefused for anything else."""
    octets = _octets(request)
    if not octets and optional:
        return {}
    content_types = request.headers.getlist("Content-Type")
    if len(content_types) != 1 or not _is_json(content_types[0]):
        raise BodyRefused(
            "The body is not JSON by its Content-Type",
            expected="Content-Type: application/json",
            status=HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        )
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise BodyRefused(
            "The body is compressed",
            expected="no Content-Encoding",
            status=HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        )
    value = _parsed(octets)
    if not isinstance(value, dict):
        raise BodyRefused("The body is not one JSON object", expected="an object", got=_kind(value))
    return value


def _is_json(content_type: str) -> bool:
    # No expression with three runs of spaces: a header of nothing else would take it hours.
    media_type, _, parameter = content_type.lower().partition(";")
    if media_type.strip(" ") != "application/json":
        return False
    return parameter.strip(" ").removesuffix(";").strip(" ") in _CHARSETS


def _octets(request: Request) -> bytes:
    # One more than there may be: werkzeug cuts a body without Content-Length off there, and does not refuse it.
    request.max_content_length = MAX_BODY_BYTES + 1
    octets = request.get_data(cache=False, parse_form_data=False)
    if len(octets) > MAX_BODY_BYTES:
        raise BodyRefused(
            "The body is too large",
            expected=f"at most {MAX_BODY_BYTES} octets",
            reason=Reason.MESSAGE_TOO_LARGE,
            status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        )
    return octets


def _parsed(octets: bytes) -> object:
    if octets.startswith(_BOM):
        raise BodyRefused("The body begins with a byte order mark", expected="UTF-8 without one")
    try:
        return json.loads(octets.decode("utf-8"), object_pairs_hook=_object, parse_constant=_constant)
    except UnicodeDecodeError:
        raise BodyRefused("The body is not UTF-8", expected="UTF-8") from None
    except RecursionError:
        raise BodyRefused("The body is nested too deep", expected="one object of texts") from None
    except ValueError:  # also an integer of thousands of digits
        raise BodyRefused("The body is not JSON", expected="one JSON object (RFC 8259)") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise BodyRefused(f"{shown(twice)} stands there twice", expected="each name once", setting=shown(twice))
    return found


def _constant(name: str) -> object:
    raise BodyRefused(f"{name} is no JSON", expected="RFC 8259, which has no such number")


def model_of(model: type[M], value: dict[str, Any]) -> M:
    """Return an object as a model; raise BodyRefused that names the first field which is wrong."""
    for name, text in value.items():
        if isinstance(text, str) and not _is_unicode(text):
            raise BodyRefused(
                f"{shown(name)} holds half of a surrogate pair", expected="Unicode text", setting=shown(name)
            )
    try:
        return model.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=True, include_input=True)[0]
        field = shown(str(first["loc"][0])) if first["loc"] else "The body"
        match first["type"]:
            case "missing":
                raise BodyRefused(f"{field} is missing", expected=f"the field {field}", setting=field) from None
            case "extra_forbidden":
                names = ", ".join(model.model_fields)
                raise BodyRefused(
                    f"{field} is no field of this call", expected=f"nothing but {names}", setting=field
                ) from None
            case _:
                info = model.model_fields.get(str(first["loc"][0])) if first["loc"] else None
                raise BodyRefused(
                    f"{field} is wrong: {_words(first['msg'])}",
                    expected="" if info is None else info.description or "",
                    got=_kind(first["input"]),  # its kind alone: values are people's ids and tokens
                    setting=field,
                ) from None


def _words(message: str) -> str:
    """Return pydantic's message as the end of a sentence."""
    message = message.removeprefix("Value error, ")
    return message[:1].lower() + message[1:]


def shown(name: str) -> str:
    """Return a name from a body as it may be shown and logged: escaped and short."""
    return ascii(name)[1:-1][:60]


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _kind(value: object) -> str:
    kinds: tuple[tuple[type, str], ...] = (
        (bool, "true or false"),
        (dict, "an object"),
        (list, "an array"),
        (int, "a number"),
        (float, "a number"),
        (str, "a text"),
    )
    return next((word for kind, word in kinds if isinstance(value, kind)), "null")
