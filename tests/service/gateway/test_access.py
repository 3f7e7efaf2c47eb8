"""Keys, origins and request ids."""

from __future__ import annotations

import hmac

import pytest

from service.errors import Unauthorised
from service.gateway.access import Keys, Origins, request_id_of


@pytest.mark.parametrize("header", [b"Bearer one", b"bearer two", b"BEARER  one "])
def test_each_configured_key_opens(header: bytes) -> None:
    """Several keys are valid at a time, so that one can be replaced without a gap; the scheme has no case."""
    Keys(["one", "two"]).check({b"authorization": header})


@pytest.mark.parametrize(
    "header", [b"", b"one", b"Basic one", b"Bearer", b"Bearer on", b"Bearer onetwo", b"Bearer \xff"]
)
def test_nothing_else_opens_and_no_message_repeats_what_was_sent(header: bytes) -> None:
    """A wrong key is refused, and is in no error text, which may end in somebody's log."""
    with pytest.raises(Unauthorised) as caught:
        Keys(["one", "two"]).check({b"authorization": header})
    assert "onetwo" not in str(caught.value)


def test_every_key_is_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first match does not end the comparison, and hmac.compare_digest makes it."""
    compared = []
    real = hmac.compare_digest
    monkeypatch.setattr(hmac, "compare_digest", lambda a, b: compared.append(a) or real(a, b))
    Keys(["one", "two", "three"]).check({b"authorization": b"Bearer one"})
    assert len(compared) == 3
    assert {len(digest) for digest in compared} == {32}


def test_an_origin_gets_permission_only_if_it_is_listed() -> None:
    """CORS is off unless set, and a listed origin does not open the service for others."""
    assert not Origins([])
    origins = Origins(["https://a.example/"])
    assert (b"access-control-allow-origin", b"https://a.example") in origins.headers({b"origin": b"https://a.example"})
    assert origins.headers({b"origin": b"https://b.example"}) == ((b"vary", b"origin"),)
    assert (b"access-control-allow-origin", b"*") in Origins(["*"]).headers({})


@pytest.mark.parametrize("given", [b"abc-123", b"!~", b"x" * 128])
def test_a_harmless_request_id_is_kept(given: bytes) -> None:
    """The caller's id comes back, so that both logs can be joined."""
    assert request_id_of({b"x-request-id": given}) == given


@pytest.mark.parametrize("given", [b"", b"two words", b"line\nbreak", b"\xc3\xa9", b"x" * 129, b"a\x00b", b"a\x7f"])
def test_any_other_request_id_is_replaced(given: bytes) -> None:
    """Nothing that could break a header or a log line is taken over."""
    made = request_id_of({b"x-request-id": given})
    assert made != given
    assert made.decode().isprintable()


def test_ids_cannot_be_guessed() -> None:
    """Whoever knows an answer's id may correct it: no two have a beginning or an end in common."""
    ids = [request_id_of({}) for _ in range(100)]
    assert {len(each) for each in ids} == {24}
    assert len({each[:8] for each in ids}) == len({each[-8:] for each in ids}) == 100


def test_made_request_ids_are_unique() -> None:
    """Not two alike."""
    ids = [request_id_of({}) for _ in range(200)]
    assert len(set(ids)) == 200
