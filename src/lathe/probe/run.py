"""Runs one plan against the real API, with the second reader beside it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import field
from itertools import chain
from urllib.parse import quote

import msgspec

from lathe.api.entities.take import TRIED_LIMIT
from lathe.frozen import frozen, mutable
from lathe.lang.model import Blueprint, Json
from lathe.machine.table import Table
from lathe.probe.convert import told
from lathe.probe.delivery import Delivery, Written, delivery_of
from lathe.probe.expected_answers import Foresight, Sent, answers
from lathe.probe.followers import Ears
from lathe.probe.host import Adapter, Answer, Host, Said, named
from lathe.probe.journal_check import DifferenceError, Follower
from lathe.probe.plan import (
    Ask,
    Broken,
    Deliver,
    Given,
    Listen,
    Look,
    Person,
    Pick,
    Plan,
    Ref,
    Step,
    Swap,
    Together,
    Wait,
    people,
)
from lathe.probe.versions import Version, other_version, version_of
from lathe.reader.joint import Taken
from lathe.reader.reader import Reader
from lathe.reader.world import By, Entity
from lathe.runtime.swap import RefusedSwap
from lathe.sim.loop import EndlessError, SimLoop, run as run_in_world

SETTLE_SECONDS = 0.05
DAY_MS = 24 * 3_600_000
DELIVERY_MS = 30 * DAY_MS
"""How long an answer is kept, to a caller and to a delivery."""
CALLBACKS_LIMIT = 50_000
"""Callbacks of the loop that one plan may take; a usual one takes some thousands."""
SHORT_PAGES_LIMIT = 200
"""Events that are read page by short page."""
ENTITIES_LIMIT = 2_000
"""Entities of one plan: every one of them is looked at after every step, to see what is overdue."""
BROKEN: tuple[tuple[str, str, bytes, str], ...] = (
    ("POST", "/v1/{app}/{plural}", b"{", "LR400.json"),
    ("POST", "/v1/{app}/{plural}", b"[]", "LR400.body"),
    ("POST", "/v1/{app}/{plural}x", b"{}", "LR404.route"),
    ("POST", "/v1/no{app}/{plural}", b"{}", "LR404.app"),
    ("POST", "/v1/{app}/{plural}/nobody/no_such_action", b"{}", "LR404.action"),
    ("GET", "/v1/{app}/{plural}?limit=0", b"", "LR400.query"),
    ("DELETE", "/v1/{app}/{plural}", b"", "LR405.method"),
    ("GET", "/v1/{app}/{plural}?where=no_such_field", b"", "LR422.where"),
)
"""Requests that no client should make, and what they are answered."""


@mutable
class Counts:
    """What a run did."""

    requests: int = 0
    refused: int = 0
    steps: int = 0
    is_cut: bool = False
    transcript: list[str] = field(default_factory=list)


@frozen
class _Receipt:
    same: tuple[object, ...]
    status: int
    body: Json
    until_ms: int
    turn: int


@frozen
class Subject:
    """What is tried: an app as the runtime has it, and its second reader."""

    table: Table
    files: Mapping[str, bytes]
    reader: Reader
    _versions: list[Version] = field(default_factory=list, compare=False)

    def versions(self, count: int) -> tuple[Version, ...]:
        """The app as it is, and, of two, what it is swapped to: each is made once, when it is asked for."""
        known = self._versions
        if not known:
            known.append(version_of(self.table, self.files, self.reader))
        if len(known) < count:
            known.append(other_version(self.files))
        return tuple(known[:count])


def carry_out(subject: Subject, plan: Plan) -> Counts:
    """Run a plan to its end, or as far as the limits let it come: some apps go round without end.

    Raises `DifferenceError`, with the requests so far as its notes.
    """
    counts = Counts()
    try:
        run_in_world(
            lambda loop: _Run(loop, subject, plan, counts).all(), plan.seed, steps_limit=CALLBACKS_LIMIT
        )
    except EndlessError:
        counts.is_cut = True
    except DifferenceError as error:
        for line in counts.transcript:
            error.add_note(line)
        raise
    return counts


class _Run:
    def __init__(self, loop: SimLoop, subject: Subject, plan: Plan, counts: Counts) -> None:
        app = subject.table.app
        self._versions = subject.versions(2 if any(isinstance(step, Swap) for step in plan.steps) else 1)
        self._loop = loop
        self._app = app
        self._plan = plan
        self._adapter = Adapter(plan.outcomes)
        self._adapter.report = self._report
        self._host = Host(loop, subject.table, subject.files, self._adapter)
        self._follower = Follower(self._versions, self._adapter)
        self._persons = people(app)
        self._ears = Ears(app.name, self._host, self._follower, self._foresight)
        self._deliveries: list[Delivery] = []
        self._sent: dict[str, Sent] = {}
        self._receipts: dict[tuple[str, str], _Receipt] = {}
        self._waiting: list[tuple[Sent, Answer]] = []
        self._counts = counts
        self._turn = 0

    @property
    def _foresight(self) -> Foresight:
        """How the version answers that is in force."""
        return self._follower.version.foresight

    async def all(self) -> None:
        """Every step, then a while in which all must come to rest."""
        await self._host.start()
        try:
            for step in self._plan.steps:
                await self._step(step)
            for _ in range(3):
                await self._step(Wait(70.0))
            await self._stored()
        finally:
            if not self._loop.is_over:  # else everything is cancelled
                await self._ears.close()
                await self._host.stop()
            self._counts.steps = self._follower.steps

    async def _step(self, step: Step) -> None:
        self._turn += 1
        match step:
            case Ask() | Deliver():
                await self._asked((step,))
            case Listen():
                await self._listened(step)
            case Together(asks=asks):
                await self._asked(asks)
            case Swap(asks=asks):
                await self._swapped(asks)
            case Look():
                await self._looked(step)
            case Pick():
                await self._picked(step)
            case Broken():
                await self._broken(step)
            case Wait(seconds=seconds):
                self._say(f"wait {seconds:g} s")
                await self._host.pass_time(seconds)
                await self._settle()
        if self._host.troubles:
            raise DifferenceError(f"a worker of the runtime failed: {self._host.troubles[0]}")

    async def _settle(self) -> None:
        """Let what is due happen, then compare all that was committed and answered."""
        await self._host.pass_time(SETTLE_SECONDS)
        entries = await self._host.entries()
        await self._host.answered()
        self._follower.take(entries, self._sent)
        self._follower.governed(self._host.in_force())
        for sent, answer in sorted(self._waiting, key=lambda one: _turn_of(one[1])):
            self._judge(sent, answer)
        self._waiting.clear()
        if len(self._follower.world.entities) > ENTITIES_LIMIT:
            raise EndlessError(f"more than {ENTITIES_LIMIT} entities")
        self._follower.overdue(self._host.now_ms(), self._host.lived)
        self._ears.compare()
        self._follower.forget()

    # Requests that change something.

    async def _asked(self, asks: tuple[Ask | Deliver, ...]) -> None:
        await self._ask(asks)
        await self._settle()

    async def _ask(self, asks: tuple[Ask | Deliver, ...]) -> None:
        made = [self._request(ask) if isinstance(ask, Ask) else self._delivery(ask) for ask in asks]
        found = await asyncio.gather(*(self._host.call(said) for _, said in made))
        for (sent, said), answer in zip(made, found, strict=True):
            self._note(sent, said, answer)

    async def _swapped(self, asks: tuple[Ask | Deliver, ...]) -> None:
        """The other version takes over while requests are under way: each belongs to one of the two."""
        to = next(one for one in self._versions if one.digest != self._host.in_force())
        swapping = asyncio.gather(self._host.swap(to.table, to.files), self._ask(asks))
        try:
            is_done, _ = await swapping
        except RefusedSwap as refused:
            raise DifferenceError(f"a version that everybody fits does not take over: {refused}") from None
        which = "as it was" if to is self._versions[0] else "with one more field"
        self._say(f"the app {which} {'takes over' if is_done else 'could not take over now'}")
        await self._settle()

    def _note(self, sent: Sent, said: Said, answer: Answer) -> None:
        """Keep what was answered, until all that was committed is known."""
        self._tell(said, answer)
        event = answer.body.get("event") if isinstance(answer.body, dict) else None
        if answer.status < 300 and isinstance(event, str) and "idempotent-replayed" not in answer.headers:
            self._sent[event] = sent
        self._waiting.append((sent, answer))

    def _request(self, ask: Ask) -> tuple[Sent, Said]:
        blueprint, person = self._app.blueprints[ask.blueprint], self._persons[ask.person]
        args = {name: self._given(given) for name, given in ask.args.items()}
        body = msgspec.json.encode(args) if args else b""
        entity = (
            self._meant(blueprint, ask.action, ask.number, is_apt=ask.is_apt)
            if ask.action != "create"
            else None
        )
        name = "" if ask.action == "create" else entity.id if entity else "nobody"
        visit = _named(ask.visit, entity.visit if entity else 1)
        version = _named(ask.version, entity.version if entity else 1)
        key = f"k{ask.key}" if ask.key else ""
        sent = Sent(
            blueprint=ask.blueprint,
            action=ask.action,
            by=_by(person),
            args=args,
            entity=name,
            visit=visit,
            version=version,
            key=key,
            body=body,
        )
        headers = named(person)
        headers |= {"if-visit": str(visit)} if visit is not None else {}
        headers |= {"if-match": f'"{version}"'} if version is not None else {}
        headers |= {"idempotency-key": key} if key else {}
        path = f"/v1/{self._app.name}/{blueprint.plural}" + (f"/{name}/{ask.action}" if name else "")
        return sent, Said("POST", path, headers, body)

    def _delivery(self, plan: Deliver) -> tuple[Sent, Said]:
        """A delivery, or one that went out before."""
        if plan.again and self._deliveries:
            found = self._deliveries[-plan.again % len(self._deliveries)]
            return found.at(self._host.now_ms()), found.said
        blueprint = self._app.blueprints[plan.blueprint]
        event = blueprint.inbound[plan.event]
        entity = self._meant(blueprint, event.action, plan.number, is_apt=plan.is_apt)
        whom: Json = 7 if plan.whom == "odd" else "nobody"
        if entity is not None and event.find is not None and not plan.whom:
            field = blueprint.fields.get(event.find[0])
            whom = entity.id if field is None else told(field.type, entity.fields[field.name])
        names = {0: f"d{len(self._deliveries)}", -1: None}
        identity = names.get(plan.identity, f"again{plan.identity}")
        args = {name: self._given(given) for name, given in plan.args.items()}
        made = delivery_of(self._app, Written(plan, whom, args, identity, self._host.now_ms()))
        self._deliveries.append(made)
        return made.at(self._host.now_ms()), made.said

    def _meant(self, blueprint: Blueprint, action: str, number: int, *, is_apt: bool) -> Entity | None:
        """The entity that a number means: of those on which the state allows the action, if that is meant."""
        every = self._every(blueprint.name)
        states = blueprint.actions[action].from_states
        fit = [b for b in every if b.state in states] if is_apt else []
        return _at(fit or every, number)

    def _every(self, blueprint: str) -> list[Entity]:
        entities = self._follower.world.entities
        return [entities[name] for name in sorted(entities) if entities[name].blueprint == blueprint]

    def _given(self, given: Given) -> Json:
        if isinstance(given, Ref):
            found = _at(self._every(given.blueprint), given.number)
            return found.id if found else "nobody"
        return [self._given(one) for one in given] if isinstance(given, tuple) else given

    def _judge(self, sent: Sent, answer: Answer) -> None:
        """An answer must be one that some world since the request gives."""
        self._counts.requests += 1
        now = self._host.now_ms()
        about = f"`{sent.action}` of {sent.blueprint}"
        if answer.status < 300:
            self._taken(sent, answer, about, now)
            return
        self._counts.refused += 1
        expected: Iterator[Taken | str] = answers(self._follower.moments, sent, now)
        receipt = self._kept(sent, now)
        if receipt is not None and receipt.same != sent.same:
            expected = chain(["LR422.key"], expected if receipt.turn == self._turn else ())
        elif receipt is not None and sent.heard is not None and receipt.turn != self._turn:
            raise DifferenceError(f"{about} was answered {answer.code}, and before it had been taken")
        if answer.code in expected and 400 <= answer.status < 500:
            return
        every = answers(self._follower.moments, sent, now)
        said = sorted({one if isinstance(one, str) else "taken" for one in every})
        raise DifferenceError(f"{about} was answered {answer.code}, and should be {' or '.join(said)}")

    def _kept(self, sent: Sent, now: int) -> _Receipt | None:
        """The answer that is kept under its key, unless it is refused whatever was taken before."""
        found = self._receipts.get(sent.slot) if sent.key else None
        is_wrong = self._foresight.is_misfit(sent) or bool(sent.heard and sent.heard.problem)
        return found if found is not None and now < found.until_ms and not is_wrong else None

    def _taken(self, sent: Sent, answer: Answer, about: str, now: int) -> None:
        """What was taken is told as it is afterwards, to whoever may see it."""
        body = answer.body
        assert isinstance(body, dict), "an answer is an object"
        slot = sent.slot
        if "idempotent-replayed" in answer.headers:
            receipt = self._receipts.get(slot)
            if (
                receipt is None
                or receipt.same != sent.same
                or (receipt.status, receipt.body)
                != (
                    answer.status,
                    body,
                )
            ):
                raise DifferenceError(f"{about} was answered with what another request was answered")
            return
        if answer.status != (201 if sent.action == "create" and sent.heard is None else 200):
            raise DifferenceError(f"{about} was answered {answer.status}")
        held = self._receipts.get(slot) if sent.key else None
        if held is not None and now < held.until_ms:
            raise DifferenceError(f"{about} was taken under a key that had been used")
        if sent.key:
            until_ms = now + (DAY_MS if sent.heard is None else DELIVERY_MS)
            self._receipts[slot] = _Receipt(sent.same, answer.status, body, until_ms, self._turn)
        name = str(body.get("id"))
        event = str(body.get("event"))
        if self._sent.get(event) is not sent or event not in self._follower.events:
            raise DifferenceError(f"{about} was answered as taken, and was not committed")
        entity, foresight = self._follower.events[event]
        sees = foresight.is_told(entity, sent.by)
        shown = foresight.view(entity)
        if not sees:
            shown = {name: shown[name] for name in ("id", "version", "visit")}
        said = {name: value for name, value in body.items() if name not in ("at", "event")}
        if name != entity.id or said != shown:
            raise DifferenceError(f"{about} was answered with {_apart(said, shown)}")

    async def _report(self, name: str, number: int, effect: str, count: int) -> None:
        """The other side reports progress, with its token."""
        entity = self._follower.world.entities.get(name)
        token = self._adapter.tokens.get((name, number))
        if entity is None or token is None:
            return
        blueprint = self._app.blueprints[entity.blueprint]
        mine = [
            a for a in blueprint.actions.values()
            if any(p.kind == "effect" and p.name == effect for p in a.by) and not a.arguments
        ]  # fmt: skip
        for turn in range(count if mine else 0):
            action = mine[turn % len(mine)]
            sent = Sent(
                blueprint=blueprint.name, action=action.name, by=By("effect", effect), args={}, entity=name,
                number=number,
            )  # fmt: skip
            path = f"/v1/{self._app.name}/{blueprint.plural}/{name}/{action.name}"
            said = Said("POST", path, {"authorization": f"Bearer {token}"})
            await asyncio.shield(self._loop.create_task(self._reported(sent, said)))

    async def _reported(self, sent: Sent, said: Said) -> None:
        """Whoever began to report hears the answer, also if the effect is over meanwhile."""
        self._note(sent, said, await self._host.call(said))

    # Requests that read, or that should never be made.

    async def _looked(self, look: Look) -> None:
        person, blueprint = self._persons[look.person], self._app.blueprints[look.blueprint]
        by, now = _by(person), self._host.now_ms()
        base = f"/v1/{self._app.name}/{blueprint.plural}"
        world = self._follower.world
        if look.what == "list":
            wanted = [b for b in self._every(blueprint.name) if look.state in ("", b.state)]
            self._same(
                await self._listed(base, look, named(person)),
                [self._foresight.view(b) for b in wanted if self._foresight.reads(b, by)],
            )
            return
        entity = _at(self._every(blueprint.name), look.number)
        if look.what == "events":
            await self._followed(blueprint, look, entity.id if entity and look.number else "")
            return
        path = f"{base}/{entity.id if entity else 'nobody'}"
        rest = "" if look.what == "entity" else f"/{look.what}"
        answer = await self._call(Said("GET", path + rest, named(person)))
        if entity is None or not self._foresight.reads(entity, by):
            self._same([answer.code], ["LR404.entity"])
        elif look.what == "entity":
            assert isinstance(answer.body, dict), "an entity is an object"
            body: Json = {name: value for name, value in answer.body.items() if name != "at"}
            self._same([body], [self._foresight.view(entity)])
        elif look.what == "journal":
            self._same([len(_items(answer))], [min(self._follower.revisions[entity.id], 50)])
        else:
            offers = {str(o["action"]): str(o.get("code", "")) for o in _items(answer) if isinstance(o, dict)}
            self._same([dict(offers)], [dict(self._foresight.offers(world, entity, by, now))])

    async def _followed(self, blueprint: Blueprint, look: Look, entity: str) -> None:
        """All events of a blueprint or an entity, page by page."""
        person = self._persons[look.person]
        headers = {**named(person), "accept": "application/json"}
        is_long = len(self._follower.told) > SHORT_PAGES_LIMIT
        limit = 200 if is_long else (2, 50)[look.number % 2]
        query = f"app={self._app.name}&blueprint={blueprint.name}&limit={limit}"
        query += f"&entity={entity}" if entity else ""
        items: list[Mapping[str, Json]] = []
        after: Json = 0
        while True:
            answer = await self._call(Said("GET", f"/v1/events?{query}&after={after}", headers))
            body = answer.body
            if not isinstance(body, dict) or not isinstance(body.get("items"), list):
                raise DifferenceError(f"a page of events was answered {answer.code}")
            found = [one for one in _items(answer) if isinstance(one, dict)]
            items, after = [*items, *found], body["next"]
            if not found:
                self._ears.whole(items, blueprint.name, entity, _by(person))
                return

    async def _listened(self, listen: Listen) -> None:
        person = self._persons[listen.person]
        done = await self._ears.turn(listen.number, _by(person), named(person), listen.blueprint)
        of = f" of {listen.blueprint}" if listen.blueprint else ""
        self._say(f"stream {listen.number}{of} {done} for {person.name}")

    async def _listed(self, base: str, look: Look, headers: Mapping[str, str]) -> list[Json]:
        """A whole list, page by page: short ones, so that cursors are followed."""
        query = f"?limit={(2, 50)[look.number % 2]}" + (f"&state={look.state}" if look.state else "")
        items: list[Json] = []
        cursor = ""
        while True:
            answer = await self._call(Said("GET", base + query + cursor, headers))
            items += _items(answer)
            following = answer.body.get("next") if isinstance(answer.body, dict) else None
            if not isinstance(following, str):
                return items
            cursor = f"&cursor={quote(following)}"

    def _same(self, found: list[Json], expected: list[Json]) -> None:
        if found == expected:
            return
        apart = next(((f, e) for f, e in zip(found, expected, strict=False) if f != e), None)
        raise DifferenceError(
            f"a read gives {_apart(*apart)}" if apart else f"a read gives {len(found)}, not {len(expected)}"
        )

    async def _picked(self, pick: Pick) -> None:
        person, blueprint = self._persons[pick.person], self._app.blueprints[pick.blueprint]
        sent = Sent(blueprint=pick.blueprint, action=pick.action, by=_by(person), args={})
        world = self._follower.world
        said = Said(
            "POST",
            f"/v1/{self._app.name}/{blueprint.plural}:take",
            named(person),
            msgspec.json.encode({"action": pick.action}),
        )
        answer = await self._host.call(said)
        self._tell(said, answer)
        entity, found = self._foresight.pick(world, blueprint, sent, self._host.now_ms())
        is_cut = answer.code == "LR422.take" and len(self._every(blueprint.name)) > TRIED_LIMIT
        if is_cut:
            pass  # it looks no further
        elif isinstance(found, Taken):
            if answer.status != 200:
                raise DifferenceError(f"`:take` of `{pick.action}` finds nothing, and should")
            sent = Sent(blueprint=pick.blueprint, action=pick.action, by=_by(person), args={}, entity=entity)
            assert isinstance(answer.body, dict), "an answer is an object"
            self._sent[str(answer.body["event"])] = sent
            self._waiting.append((sent, answer))
        elif (answer.status, answer.code) != ((204, "") if found is None else (int(found[2:5]), found)):
            raise DifferenceError(f"`:take` of `{pick.action}` was answered {answer.code or answer.status}")
        await self._settle()

    async def _broken(self, broken: Broken) -> None:
        method, path, body, code = BROKEN[broken.kind % len(BROKEN)]
        plural = self._app.blueprints[broken.blueprint].plural
        said = Said(method, path.format(app=self._app.name, plural=plural), named(self._persons[0]), body)
        answer = await self._call(said)
        if (answer.code, answer.status) != (code, int(code[2:5])):
            raise DifferenceError(f"{method} {said.path} was answered {answer.code}, and should be {code}")

    async def _call(self, said: Said) -> Answer:
        answer = await self._host.call(said)
        self._counts.requests += 1
        self._tell(said, answer)
        return answer

    async def _stored(self) -> None:
        """At the end, every row of the store is what the reader has."""
        names = sorted(self._follower.world.entities)
        rows = await self._host.store.load("main", self._app.name, names)
        for name in names:
            row, entity = rows.get(name), self._follower.world.entities[name]
            if row is None or (row.state, row.visit, row.version) != (
                entity.state,
                entity.visit,
                entity.version,
            ):
                raise DifferenceError(f"the row of a {entity.blueprint} is not what its journal says")

    # Telling.

    def _say(self, line: str) -> None:
        self._counts.transcript.append(line)

    def _tell(self, said: Said, answer: Answer) -> None:
        hidden = {"authorization": "Bearer {token}"}  # it is good in this world alone
        headers = "".join(f" {n}: {hidden.get(n, v)};" for n, v in said.headers.items())
        body = f" {said.body.decode()}" if said.body else ""
        self._say(f"{said.method} {said.path}{headers}{body} -> {answer.code or answer.status}")


def _by(person: Person) -> By:
    return By("role", None, person.roles, person.name)


def _turn_of(answer: Answer) -> int:
    """What was taken is judged first: an answer that repeats it, or a refusal, may rest on it."""
    return 2 if answer.status >= 300 else int("idempotent-replayed" in answer.headers)


def _at(entities: list[Entity], number: int) -> Entity | None:
    """The newest is number 0: what was made last is what is worked on."""
    return entities[-1 - number % len(entities)] if entities else None


def _named(which: str, current: int) -> int | None:
    return {"now": current, "before": current - 1}.get(which)


def _items(answer: Answer) -> list[Json]:
    found = answer.body.get("items") if isinstance(answer.body, dict) else None
    if not isinstance(found, list):
        return [answer.code]
    return [{n: v for n, v in i.items() if n != "at"} if isinstance(i, dict) else i for i in found]


def _apart(found: Json, expected: Json) -> str:
    """Where two documents part."""
    if isinstance(found, dict) and isinstance(expected, dict):
        for name in sorted({*found, *expected}):
            if found.get(name) != expected.get(name):
                return f"`{name}`: {_apart(found.get(name), expected.get(name))}"
    return f"{found!r}, and should be {expected!r}"
