"""Room for tokens, told of rows alone: what an issuer's principal made is counted together."""

from __future__ import annotations

import pytest

from lathe.govern.principal import GovernError
from lathe.govern.token import Token, body_of
from lathe.govern.token_quota import check_room, living
from lathe.store.audit import TokenRow


def made(
    name: str, *, parent: str = "", beyond: tuple[str, ...] = (), is_session: bool = False, ends_ms: int = 9
) -> tuple[TokenRow, Token]:
    token = Token("p", "agent", b"", 0, "p", beyond=beyond, is_session=is_session)
    return TokenRow("main", name, parent, ends_ms, None, body_of(token)), token


def test_what_comes_from_what_is_over_is_over() -> None:
    rows = [made("a", ends_ms=1)[0], made("b", parent="a")[0], made("c", parent="gone")[0], made("d")[0]]
    assert set(living(rows, 0)) == {"a", "b", "d"}
    assert set(living(rows, 1)) == {"d"}


def test_an_issuers_principal_has_room_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lathe.govern.token_quota.PARTS_LIMIT", 4)
    monkeypatch.setattr("lathe.govern.token_quota.SESSIONS_LIMIT", 2)
    ann, bob = ("corp:ann",), ("corp:bob",)
    rows = [made(name, beyond=ann)[0] for name in "abcd"]
    rows += [made(f"s{name}", beyond=ann, is_session=True)[0] for name in "ab"]
    alive = living(rows, 0)
    for is_session in (False, True):
        with pytest.raises(GovernError, match="revoke some"):
            check_room(*made("new", beyond=ann, is_session=is_session), alive)
        check_room(*made("new", beyond=bob, is_session=is_session), alive)
    check_room(*made("new"), alive)
    with pytest.raises(GovernError, match="revoke some"):
        check_room(*made("new", parent="a"), alive)
    check_room(*made("new", parent="a"), {name: row for name, row in alive.items() if name in "ab"})
