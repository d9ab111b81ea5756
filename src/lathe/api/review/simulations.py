"""`/v1/simulations`: simulation campaigns, started, watched and stopped over HTTP.

One runs at a time, in a process of its own that gives way to what serves; others wait for it. What is known
of them is in this process's memory alone. Nothing here touches what lives.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import aclosing
from typing import Literal, Protocol, cast

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from lathe.api.access.authentication import Authenticator, Principal
from lathe.api.entities.view import encode
from lathe.api.review.checks import body_as
from lathe.api.review.recent_checks import Checks
from lathe.api.review.subjects import Files, Subject, Subjects, reviewer
from lathe.api.wire.answers import problem_of
from lathe.api.wire.problem import Problem
from lathe.api.wire.validation import only
from lathe.errors import LatheError
from lathe.frozen import mutable
from lathe.lang.model import Json
from lathe.machine.moment import rfc3339
from lathe.runtime.engine import Engine

KEPT_LIMIT = 32
"""Campaigns that are kept; the oldest that are over go first."""
RUNNING_LIMIT = 8
"""Campaigns of this process that run or wait."""
TENANT_LIMIT = 4
"""Those of one tenant."""
SEEDS_LIMIT = 100_000
SECONDS_LIMIT = 600
SEED_LIMIT = 2**53 - 1
"""What every JSON reader holds exactly."""
SEEDS = 100
"""Seeds of each mix, where nothing else is said."""
RUNS_LIMIT = 64
"""Traces of single seeds that are kept: the same seed is the same run."""

Mix = Literal["calm", "moderate", "chaos"]
State = Literal["waiting", "running", "done", "cancelled", "failed"]


class Simulator(Protocol):
    """Runs an app in simulated worlds, away from this process."""

    def simulate(self, files: Files, asked: Mapping[str, Json]) -> AsyncGenerator[bytes]: ...
    async def simulated(self, files: Files, seed: int, mix: str) -> bytes | None: ...


class CampaignRequest(Struct, forbid_unknown_fields=True, frozen=True):
    """The body that begins a campaign: of a check, or of a version of an app (in force: `current`)."""

    app: str = ""
    digest: str = "current"
    check: str = ""
    seed: int = 0
    seeds: int | None = None
    seconds: float | None = None
    mix: Mix | Literal["all"] = "all"


@mutable
class Campaign:
    """One campaign: what was asked, how far it came, and the process that runs it."""

    id: str
    tenant: str
    by: str
    at_ms: int
    subject: Subject
    wanted: CampaignRequest
    state: State = "waiting"
    said: str = ""
    progress: bytes = b"null"
    failed: int = 0
    task: asyncio.Task[None] | None = None

    @property
    def is_over(self) -> bool:
        """Whether nothing more comes."""
        return self.state in ("done", "cancelled", "failed")


class _Line(Struct):
    """What is read of a line of progress."""

    failed: int = 0
    problem: str = ""


class Simulations:
    """The campaigns of one process, and their routes."""

    def __init__(
        self, engine: Engine, simulator: Simulator, authenticator: Authenticator, checks: Checks
    ) -> None:
        self._engine = engine
        self._simulator = simulator
        self._authenticator = authenticator
        self._subjects = Subjects(engine, checks)
        self._kept: OrderedDict[str, Campaign] = OrderedDict()
        self._runs: OrderedDict[tuple[str, str, int], bytes] = OrderedDict()
        self._listeners: list[Callable[[Campaign], None]] = []

    def on_change(self, listener: Callable[[Campaign], None]) -> None:
        """Call this with every campaign that began, came further or ended."""
        self._listeners.append(listener)

    async def stop(self) -> None:
        """End what runs."""
        tasks = [one.task for one in self._kept.values() if one.task is not None and not one.is_over]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def routes(self) -> tuple[Route, ...]:
        """What this part answers."""
        one = "/v1/simulations/{id}"
        return (
            Route("/v1/simulations", self._list),
            Route("/v1/simulations", self._begin, methods=["POST"]),
            Route(one, self._one),
            Route(f"{one}/cancel", self._cancel, methods=["POST"]),
            Route(f"{one}/runs/{{mix}}/{{seed:int}}", self._run),
        )

    async def _list(self, request: Request) -> Response:
        """The newest campaigns first; with `app`, those of one."""
        by = await reviewer(self._authenticator, request)
        only(request.query_params, "app")
        app = request.query_params.get("app")
        return _json({"items": [told(one) for one in self._of(by) if app in (None, one.subject.app)]})

    async def _begin(self, request: Request) -> Response:
        by = await reviewer(self._authenticator, request)
        wanted = await body_as(request, CampaignRequest)
        _require(wanted)
        if wanted.check:
            subject = self._subjects.check(by, wanted.check)
        else:
            subject = await self._subjects.version(by, wanted.app, wanted.digest)
        self._require_room(by.tenant)
        clock = self._engine.clock
        campaign = Campaign(self._engine.ids.new(), by.tenant, by.id, clock.now_ms(), subject, wanted)
        self._keep(campaign)
        campaign.task = asyncio.create_task(self._going(campaign), name="simulation")
        return _json(told(campaign), status=202)

    def _require_room(self, tenant: str) -> None:
        """Raises `Problem` if too many run or wait already."""
        tenants = [one.tenant for one in self._kept.values() if not one.is_over]
        if len(tenants) >= RUNNING_LIMIT or tenants.count(tenant) >= TENANT_LIMIT:
            said = f"{tenants.count(tenant)} campaigns run or wait already"
            raise Problem("LR503.busy", said, headers={"Retry-After": "30"})

    async def _one(self, request: Request) -> Response:
        return _json(told(await self._named(request)))

    async def _cancel(self, request: Request) -> Response:
        """End a campaign with what is known by now."""
        campaign = await self._named(request)
        if campaign.task is not None and not campaign.is_over:
            campaign.task.cancel()
            await asyncio.wait([campaign.task])
        return _json(told(campaign))

    async def _run(self, request: Request) -> Response:
        """A seed of a campaign, taken again and made small: what it found, with its trace."""
        campaign = await self._named(request)
        mix, seed = request.path_params["mix"], request.path_params["seed"]
        if mix not in ("calm", "moderate", "chaos") or seed > SEED_LIMIT:
            raise Problem("LR404.route", "there is no such seed, or no such mix")
        key = (campaign.subject.name, mix, seed)
        found = self._runs.get(key)
        if found is None:
            found = await self._simulator.simulated(campaign.subject.files, seed, mix)
            if found is None:
                raise Problem("LR503.busy", "it could not be run within the limits of a check")
            self._runs[key] = found
            if len(self._runs) > RUNS_LIMIT:
                self._runs.popitem(last=False)
        return Response(found, media_type="application/json")

    async def _named(self, request: Request) -> Campaign:
        by = await reviewer(self._authenticator, request)
        name = request.path_params["id"]
        found = next((one for one in self._of(by) if one.id == name), None)
        if found is None:
            raise Problem("LR404.simulation", f"no campaign {name[:80]} is kept here (any more)")
        return found

    def _of(self, by: Principal) -> Iterator[Campaign]:
        """Those that the caller may see, newest first."""
        mine = (one for one in reversed(self._kept.values()) if one.tenant == by.tenant)
        return (one for one in mine if by.is_for(one.subject.app))

    def _keep(self, campaign: Campaign) -> None:
        self._kept[campaign.id] = campaign
        over = [one.id for one in self._kept.values() if one.is_over]
        for name in over[: max(0, len(self._kept) - KEPT_LIMIT)]:
            del self._kept[name]
        self._tell(campaign)

    def _tell(self, campaign: Campaign) -> None:
        for listener in self._listeners:
            listener(campaign)

    async def _going(self, campaign: Campaign) -> None:
        """Read what the process says until it ends, or until it is ended."""
        wanted = campaign.wanted
        asked: dict[str, Json] = {
            "seed": wanted.seed, "seeds": _seeds(wanted), "seconds": wanted.seconds, "mix": wanted.mix
        }  # fmt: skip
        try:
            async with aclosing(self._simulator.simulate(campaign.subject.files, asked)) as lines:
                async for line in lines:
                    self._read(campaign, line)
            if not campaign.is_over:
                campaign.state = "done"
        except asyncio.CancelledError:
            campaign.state = "cancelled"
        except LatheError as error:
            campaign.state, campaign.said = "failed", str(error)
        except Exception as error:  # noqa: BLE001  its process may die anywhere: it is over, whatever it was
            campaign.state, campaign.said = "failed", str(problem_of(error))
        self._tell(campaign)

    def _read(self, campaign: Campaign, line: bytes) -> None:
        read = msgspec.json.decode(line, type=_Line)
        if read.problem:
            campaign.state, campaign.said = "failed", read.problem
            return
        campaign.state, campaign.progress, campaign.failed = "running", line, read.failed
        self._tell(campaign)


def _seeds(wanted: CampaignRequest) -> int | None:
    return SEEDS if wanted.seeds is None and wanted.seconds is None else wanted.seeds


def _require(wanted: CampaignRequest) -> None:
    """Raises `Problem` for what is beyond the limits."""
    if bool(wanted.app) == bool(wanted.check):
        raise Problem("LR400.body", "name one of `app` and `check`")
    if wanted.seeds is not None and not 1 <= wanted.seeds <= SEEDS_LIMIT:
        raise Problem("LR400.body", f"`seeds` is from 1 to {SEEDS_LIMIT}")
    if wanted.seconds is not None and not 0 < wanted.seconds <= SECONDS_LIMIT:
        raise Problem("LR400.body", f"`seconds` is more than 0 and at most {SECONDS_LIMIT}")
    if not 0 <= wanted.seed <= SEED_LIMIT:
        raise Problem("LR400.body", f"`seed` is from 0 to {SEED_LIMIT}")


def told(one: Campaign) -> dict[str, object]:
    """A campaign as JSON data."""
    wanted = one.wanted
    return {
        "id": one.id,
        "app": one.subject.app,
        "state": one.state,
        "at": rfc3339(one.at_ms),
        "by": one.by,
        **({"check": wanted.check} if wanted.check else {"digest": one.subject.name}),
        "asked": {
            "seed": wanted.seed, "seeds": _seeds(wanted), "seconds": wanted.seconds, "mix": wanted.mix
        },
        "progress": msgspec.Raw(one.progress),
        **({"said": one.said} if one.said else {}),
    }  # fmt: skip


def notice(one: Campaign) -> dict[str, object]:
    """A campaign as followers are told of it, each time that it comes further."""
    return {"id": one.id, "app": one.subject.app, "state": one.state, "failed": one.failed}


def _json(data: object, *, status: int = 200) -> Response:
    return Response(encode(cast(dict[str, object], data)), status, media_type="application/json")
