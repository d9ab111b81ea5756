"""What a review is about, a check or a loaded version, and who may see it."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.requests import Request

from lathe.api.access.authentication import Authenticator, Principal
from lathe.api.entities.app_lookup import entered
from lathe.api.review.recent_checks import Checks, Kept
from lathe.api.wire.problem import Problem, no_version
from lathe.errors import NotFoundError
from lathe.frozen import frozen
from lathe.runtime.engine import Engine

Files = Mapping[str, bytes]


async def reviewer(authenticator: Authenticator, request: Request) -> Principal:
    """Who asks; the other side of an effect has no business here. Raises `Problem`."""
    found = await authenticator.principal(dict(request.scope["headers"]), request.scope)
    if found.grant is not None:
        raise Problem("LR403.denied", "a token of an effect is for its entity alone")
    return found


@frozen
class Subject:
    """What is looked at: files under a name that is theirs alone. `app` is empty if they do not say."""

    name: str
    app: str
    verdict: str
    files: Files


class Subjects:
    """Checks and versions by their names, for who may look at them."""

    def __init__(self, engine: Engine, checks: Checks) -> None:
        self._engine = engine
        self._checks = checks

    def kept(self, by: Principal, name: str) -> Kept:
        """A check that is still kept. Raises `Problem` (LR404.check)."""
        found = self._checks.get(by.tenant, name)
        if found is None or not by.is_for(found.app):
            raise Problem("LR404.check", f"no check {name[:80]} is kept here (any more)")
        return found

    def check(self, by: Principal, name: str) -> Subject:
        """The same, as what is looked at."""
        kept = self.kept(by, name)
        return Subject(kept.id, kept.app, kept.verdict, kept.files)

    async def version(self, by: Principal, app: str, digest: str) -> Subject:
        """A version that is in force, or was. Raises `Problem`, `GovernError`."""
        entered(self._engine.catalog, by, app)
        found = await self._found(by, app, digest)
        if found is None:
            raise no_version(app, digest)
        return found

    async def version_before(self, by: Principal, subject: Subject, digest: str) -> Subject | None:
        """The version to compare with; none where it is the same, or the app is not loaded."""
        if not subject.app:
            return None
        try:
            found = await self._found(by, subject.app, digest)
        except NotFoundError:
            return None
        if found is None:
            raise no_version(subject.app, digest)
        return found if found.name != subject.name else None

    async def _found(self, by: Principal, app: str, digest: str) -> Subject | None:
        """A version that was in force once, or is. Raises `NotFoundError` if the app is not loaded."""
        live = self._engine.catalog.live(by.tenant, app)
        name = live.digest if digest == "current" else digest
        found = await self._engine.store.version(live.tenant, live.app.name, name)
        return Subject(found.digest, live.app.name, "admitted", found.files) if found is not None else None
