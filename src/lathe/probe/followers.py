"""Clients that follow the event stream, with interrupted and resumed connections, and page by page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field
from urllib.parse import urlencode

from lathe.frozen import mutable
from lathe.lang.model import Json
from lathe.probe.expected_answers import Foresight
from lathe.probe.host import Host, Listening, Said
from lathe.probe.journal_check import DifferenceError, Follower, Told
from lathe.reader.world import By

Events = list[tuple[str, Mapping[str, Json]]]


@mutable
class _Ear:
    """A stream: what it is of, and behind which position."""

    by: By
    headers: Mapping[str, str]
    blueprint: str
    heard: int
    """The position of what was told last; where it is cut, it is taken up behind it."""
    looked: int
    """The position up to which it was compared."""
    stream: Listening | None = None
    early: Events = field(default_factory=list)


class Ears:
    """The streams of one run, and what is expected of them."""

    def __init__(self, app: str, host: Host, follower: Follower, foresight: Foresight) -> None:
        self._app = app
        self._host = host
        self._follower = follower
        self._foresight = foresight
        self._ears: dict[int, _Ear] = {}

    async def turn(self, number: int, by: By, headers: Mapping[str, str], blueprint: str) -> str:
        """Open a stream, or cut it if it is open, or take it up again. Says which."""
        ear = self._ears.get(number)
        if ear is not None and ear.stream is not None:
            await self._cut(ear)
            return "is cut"
        if ear is not None:
            ear.looked = ear.heard
            await self._open(ear, ear.heard)
            return "goes on"
        begin = await self._host.store.position()
        ear = self._ears[number] = _Ear(by, headers, blueprint, begin, begin)
        await self._open(ear, None)
        if await self._host.store.position() != begin:  # it may have begun before that, or after
            await self._cut(ear)
            await self._open(ear, begin)
        return "is opened"

    async def _open(self, ear: _Ear, behind: int | None) -> None:
        """Open it behind a position, or from now on."""
        query = {"app": self._app} | ({"blueprint": ear.blueprint} if ear.blueprint else {})
        headers = {**ear.headers} | ({} if behind is None else {"last-event-id": str(behind)})
        ear.stream = self._host.listen(Said("GET", f"/v1/events?{urlencode(query)}", headers))
        await ear.stream.opened()

    async def _cut(self, ear: _Ear) -> None:
        assert ear.stream is not None, "it is open"
        await ear.stream.cut()
        ear.stream = None

    async def close(self) -> None:
        """Cut every stream."""
        for ear in self._ears.values():
            if ear.stream is not None:
                await self._cut(ear)

    def compare(self) -> None:
        """All that came on the streams is what was committed, each once and in order, and no less. Raises
        `DifferenceError`.
        """
        for number, ear in self._ears.items():
            if ear.stream is None:
                continue
            came = [*ear.early, *ear.stream.events()]
            known = self._follower.told[-1].position if self._follower.told else 0
            ear.early = [one for one in came if int(one[0]) > known]
            now = [one for one in came if int(one[0]) <= known]
            self._same(f"stream {number}", now, self._behind(ear.looked, ear.blueprint, ""), ear.by)
            ear.heard = int(now[-1][0]) if now else ear.heard
            ear.looked = known

    def whole(self, items: list[Mapping[str, Json]], blueprint: str, entity: str, by: By) -> None:
        """The same of all pages from the beginning."""
        found = [(str(one.get("position")), one) for one in items]
        self._same("a page of events", found, self._behind(0, blueprint, entity), by)

    def _behind(self, position: int, blueprint: str, entity: str) -> Iterator[Told]:
        for told in reversed(self._follower.told):
            if told.position <= position:
                return
            if blueprint in ("", told.blueprint) and entity in ("", told.entity):
                yield told

    def _seen(self, newest_first: Iterator[Told], by: By) -> Iterator[tuple[Told, set[bool]]]:
        """Each entry with whether a caller could read its entity, then or at any moment since it was last
        compared.
        """
        begin = self._follower.moments[0].world.entities
        found: dict[str, set[bool]] = {}
        for told in newest_first:
            sees = found.setdefault(told.entity, set())
            is_new = told.step > self._follower.steps + 1 - len(self._follower.moments)
            sees.add(self._foresight.reads(told.after if is_new else begin[told.entity], by))
            yield told, {*sees}

    def _same(self, what: str, came: Events, newest_first: Iterator[Told], by: By) -> None:
        left = iter(came)
        at = next(left, None)
        for told, sees in reversed([*self._seen(newest_first, by)]):
            if at is None or int(at[0]) != told.position:
                if sees == {True}:
                    raise DifferenceError(f"{what} leaves out `{told.said['id']}`, a `{told.said['kind']}`")
                continue
            if sees == {False}:
                raise DifferenceError(f"{what} tells of a {told.blueprint} that its reader may not read")
            apart = sorted(name for name, said in told.said.items() if at[1].get(name) != said)
            if apart:
                name = apart[0]
                raise DifferenceError(
                    f"{what} tells `{name}` as {at[1].get(name)!r}, and should as {told.said[name]!r}"
                )
            at = next(left, None)
        if at is not None:
            raise DifferenceError(f"{what} tells `{at[1].get('id')}` out of turn, or twice")
