"""`lathe replay --on server`: a trace's requests sent to a server, and its answers compared with the trace.

Creations and actions by people are asked for; timers, effects and inbound events are waited for, because they
are the server's and the outside's own. What the journal says is compared, step by step.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import cast
from uuid import uuid4

import httpx2

from lathe.cli import exitcode
from lathe.cli.client import problem_text, told
from lathe.cli.entities import Row, rows_of
from lathe.cli.exitcode import Stop
from lathe.lang.model import App, Blueprint, Json
from lathe.machine.replay import Replayed, refused
from lathe.machine.trace import HIDDEN, Trace, TracePart, TraceStep

Event = Mapping[str, Json]
POLL_SECONDS = 5
"""How long one request waits for events."""


def asked_of(trace: Trace) -> list[TraceStep]:
    """The steps that a replay asks for itself. Raises `Stop` for a trace that no server can be brought to."""
    for one in trace.steps:
        if one.event in ("given", "swap"):
            why = "begins in the middle" if one.event == "given" else "has another version take over"
            raise Stop(
                f"the trace {why}, which no server can be asked for: replay it on the model",
                code=exitcode.USAGE,
            )
    asked = [one for one in trace.steps if _is_asked(one)]
    if any(HIDDEN in map(str, one.parts[0].args.values()) for one in asked):
        raise Stop(
            "a secret that the trace does not have is needed: replay it on the model", code=exitcode.USAGE
        )
    if not asked:
        raise Stop("the trace has no step that anybody asks for", code=exitcode.USAGE)
    return asked


def _is_asked(one: TraceStep) -> bool:
    return one.event in ("create", "act") and one.by.partition(":")[0] in ("role", "any")


class Replaying:
    """One replay on one server. `ids` says which entity there stands for which of the trace."""

    def __init__(self, client: httpx2.AsyncClient, app: App, *, wait_seconds: float) -> None:
        self._client = client
        self._app = app
        self._wait_seconds = wait_seconds
        self._run = uuid4().hex
        self._position: Json = None
        self._steps: dict[str, list[Event]] = {}
        """What was read of the journal and is not compared yet: the events of each step, in order."""
        self.ids: dict[str, str] = {}

    async def play(self, trace: Trace) -> list[Replayed]:
        """Take the steps, up to the first that goes otherwise."""
        await self._begin()
        found: list[Replayed] = []
        for number, one in enumerate(trace.steps):
            if _is_asked(one):
                actual = await self._ask(number, one)
            elif one.refused is not None or not any(part.action for part in one.parts):
                actual = one  # between two steps, or not to be seen from here
            else:
                actual = await self._happens(one)
            recorded = replace(
                one, parts=tuple(self._visible(part) for part in one.parts if part.action), at=None
            )
            found.append(Replayed(recorded if actual is not one else one, actual, ()))
            if not found[-1].is_same:
                break
        return found

    async def _begin(self) -> None:
        """From here on the journal is read."""
        live = told(await self._client.get(f"/v1/apps/{self._app.name}"))
        assert isinstance(live, dict), "an app is an object"
        self._position = live["position"]

    # What is asked for.

    async def _ask(self, number: int, one: TraceStep) -> TraceStep:
        """Ask as the trace does; what it came to, as the journal has it."""
        part = one.parts[0]
        body = {name: self._there(value) for name, value in part.args.items()}
        headers = {"idempotency-key": f"replay-{self._run}-{number}"}
        if one.event == "create":
            blueprint = self._app.blueprints.get(part.entity.partition("#")[0])
            if blueprint is None:
                return refused(one, f"the app has no blueprint for {part.entity}")
            path = f"/v1/{self._app.name}/{blueprint.plural}"
        else:
            if part.entity not in self.ids:
                return refused(one, f"{part.entity} was not created")
            path = f"{self._path(part.entity)}/{part.action}"
            headers |= await self._fence(part)
        response = await self._client.post(path, json=body, headers=headers)
        if not response.is_success:
            return refused(one, problem_text(_document(response), response.status_code))
        answer = told(response)
        assert isinstance(answer, dict), "an entity is an object"
        self.ids.setdefault(part.entity, str(answer["id"]))
        return await self._happens(one)

    async def _fence(self, part: TracePart) -> dict[str, str]:
        """The visit that is meant, where an action must name it."""
        action = self._blueprint(part.entity).actions.get(part.action or "")
        if action is None or not action.fenced:
            return {}
        now = told(await self._client.get(self._path(part.entity)))
        assert isinstance(now, dict), "an entity is an object"
        return {"if-visit": str(now["visit"])}

    def _path(self, entity: str) -> str:
        return f"/v1/{self._app.name}/{self._blueprint(entity).plural}/{self.ids[entity]}"

    def _blueprint(self, entity: str) -> Blueprint:
        return self._app.blueprints[entity.partition("#")[0]]

    def _there(self, value: Json) -> Json:
        """A value of the trace as the server has it."""
        if isinstance(value, list):
            return [self._there(member) for member in value]
        return self.ids.get(value, value) if isinstance(value, str) else value

    # What happens there.

    async def _happens(self, one: TraceStep) -> TraceStep:
        """The next step of the entity that the trace is about, once it is committed."""
        entity = self.ids.get(one.entity)
        if entity is None:
            return refused(one, f"{one.entity} was not created")
        waited = 0.0
        while True:
            found = self._next(entity)
            if found is not None:
                return self._told(one, found)
            if waited >= self._wait_seconds:
                return refused(one, f"nothing happened to {one.entity} in {self._wait_seconds:g} s")
            seconds = min(POLL_SECONDS, self._wait_seconds - waited)
            await self._read(seconds)
            waited += seconds

    def _next(self, entity: str) -> list[Event] | None:
        """The first step of an entity that was not compared yet."""
        for name, events in self._steps.items():
            if events[0]["entity"] == entity:
                return self._steps.pop(name)
        return None

    async def _read(self, seconds: float) -> None:
        """Read on in the journal; the events of one step stand together."""
        wait = seconds
        while True:
            page = told(
                await self._client.get(
                    "/v1/events",
                    params={"app": self._app.name, "after": str(self._position), "limit": "200"},
                    headers={
                        "accept": "application/json",
                        "prefer": f"wait={max(int(wait), 1) if wait else 0}",
                    },
                )
            )
            assert isinstance(page, dict), "a page is an object"
            rows = rows_of(page)
            for row in rows:
                self._steps.setdefault(str(row["step"]), []).append(row)
            self._position, wait = page["next"], 0.0
            if not rows:
                break
        self._steps = {
            name: [event for event in events if event["action"] is not None]
            for name, events in self._steps.items()
            if any(event["action"] is not None for event in events)
        }

    def _told(self, one: TraceStep, events: Sequence[Event]) -> TraceStep:
        """A step of the journal there, with the names of the trace."""
        self._meet(one, events)
        names = {there: here for here, there in self.ids.items()}
        parts = tuple(
            self._visible(
                TracePart(
                    names.get(str(event["entity"]), str(event["entity"])),
                    cast(str, event["action"]),
                    str(event["by"]),
                    {},
                    {name: _here(pair, names) for name, pair in cast(Row, event["changes"]).items()},
                )
            )
            for event in events
        )
        kind, action = str(events[0]["kind"]), events[0]["action"]
        if (kind, action) != (one.event, one.action):
            return refused(one, f"`{action}` ({kind}) happened to {one.entity} instead")
        return replace(one, parts=parts, at=None)

    def _meet(self, one: TraceStep, events: Sequence[Event]) -> None:
        """Who was created in a step, in the order of the trace."""
        known = set(self.ids.values())
        fresh = [event for event in events if event["entity"] not in known]
        for part in one.parts:
            if part.entity in self.ids:
                continue
            blueprint = part.entity.partition("#")[0]
            made = next((event for event in fresh if event["blueprint"] == blueprint), None)
            if made is not None:
                self.ids[part.entity] = str(made["entity"])
                fresh.remove(made)

    def _visible(self, part: TracePart) -> TracePart:
        """What the journal tells of a part: fields, without secrets; what a new entity leaves unset is not
        told.
        """
        blueprint = self._app.blueprints.get(part.entity.partition("#")[0])
        fields = blueprint.fields if blueprint is not None else {}
        changes = {
            name: pair
            for name, pair in part.changes.items()
            if (name == "state" or (name in fields and not fields[name].secret)) and not _is_nothing(pair)
        }
        return replace(part, args={}, changes=changes)


def _is_nothing(pair: tuple[Json, Json]) -> bool:
    return pair[0] is None and pair[1] in (None, [])


def _here(pair: Json, names: Mapping[str, str]) -> tuple[Json, Json]:
    before, after = (_named(value, names) for value in cast(list[Json], pair))
    return before, after


def _named(value: Json, names: Mapping[str, str]) -> Json:
    if isinstance(value, list):
        return [_named(member, names) for member in value]
    return names.get(value, value) if isinstance(value, str) else value


def _document(response: httpx2.Response) -> Json:
    try:
        document: Json = response.json()
    except ValueError:
        return None
    return document


def who(replaying: Replaying) -> Iterator[str]:
    """Which entity stands for which, in lines."""
    for name, entity in replaying.ids.items():
        yield f"{name} is {entity}"
