"""Bugs of a runtime, each a change of its source: chosen before the simulator was read by whoever chose them.

`old` stands exactly once in the file. A bug whose line has moved is reported, never passed over.
"""

from __future__ import annotations

from typing import NamedTuple


class Bug(NamedTuple):
    """One wrong line."""

    name: str
    file: str
    old: str
    new: str


BUGS = (
    Bug("no version check", "store/accept.py",
        "if standing.heads.get((tenant, app, name), GENESIS) != head:", "if False:"),
    Bug("no idempotency", "store/accept.py",
        "if receipt is not None and (tenant, receipt.principal, receipt.key) in standing.receipts:",
        "if False:"),
    Bug("no lease check", "store/accept.py",
        "if standing.leases.get((tenant, app, name, which)) != worker:", "if False:"),
    Bug("no epoch", "store/accept.py",
        "(now.digest, now.epoch) != (write.digest, write.epoch)", "now.digest != write.digest"),
    Bug("uniques not enforced", "store/accept.py", "if blocked is not None:", "if False:"),
    Bug("outbox and timers forgotten", "store/memory.py",
        "        self._duties.write(total, self._clock())\n", "        pass\n"),
    Bug("leases keep nobody away", "store/duties.py",
        "    return held.until_ms <= now_ms and held.row.due_ms <= now_ms",
        "    return held.row.due_ms <= now_ms"),
    Bug("lease ends one tick late", "store/duties.py",
        "if held is not None and held.until_ms > now_ms and held.worker:",
        "if held is not None and held.until_ms >= now_ms - 1 and held.worker:"),
    Bug("effects of one entity side by side", "store/duties.py",
        'if held.row.phase != "waiting" or first[key[:3]] == key[3]', "if True"),
    Bug("a postponed timer sleeps on", "store/duties.py",
        "if armed.worker == POSTPONED and", "if False and"),
    Bug("acknowledged before the commit", "runtime/engine.py",
        "answer = await future\n", 'answer = Answer("accepted")\n'),
    Bug("a refusal rests on what is not committed", "runtime/engine.py",
        "elif self.cache.is_pending(keys):", "elif False:"),
    Bug("If-Match is not looked at", "api/commands.py",
        "if version is not None and entity.version != version:", "if False:"),
    Bug("If-Match takes newer versions", "api/commands.py",
        "if version is not None and entity.version != version:",
        "if version is not None and entity.version < version:"),
    Bug("If-Visit is not looked at", "api/commands.py",
        "if visit is not None and entity.visit != visit:", "if False:"),
    Bug("a key forgets its body", "api/commands.py",
        'sha256(said.encode() + b"\\0" + asked.body)', "sha256(said.encode())"),
    Bug("reads see what is queued", "runtime/cache.py",
        "return self._slots[key].committed", "return self._slots[key].newest"),
    Bug("decisions miss what is queued", "runtime/cache.py",
        "            slot.newest = held\n", ""),
    Bug("an old read replaces a new row", "runtime/cache.py",
        "if reading.overtaken == began:", "if True:"),
    Bug("what was dropped stays cached", "runtime/cache.py",
        "                del self._slots[key]\n        if not is_committed:",
        "                pass\n        if not is_committed:"),
    Bug("a stop is not in the outbox", "runtime/plan.py",
        "if was is None or was.phase != invocation.phase:", "if was is None:"),
    Bug("ended invocations stay in the outbox", "runtime/plan.py",
        "self.ended.extend((new.id, number) for number in gone)", "tuple(gone)"),
    Bug("a timer that stays is not armed again", "runtime/plan.py",
        "and (is_new_visit or again)", "and is_new_visit"),
    Bug("a deadline that moves keeps its moment", "runtime/plan.py",
        "if due == was and not self._is_swap:", "if was is not None and not self._is_swap:"),
    Bug("claims are not made", "runtime/plan.py", "            if now is not None:\n",
        "            if False:\n"),
    Bug("claims are not let go", "runtime/plan.py", "            if was is not None:\n",
        "            if False:\n"),
    Bug("what was read is not part of the commit", "runtime/plan.py",
        "sorted({*step.reads, *written})", "sorted(written)"),
    Bug("the journal leaves out what was unset", "runtime/plan.py",
        "            if was != value:", "            if was != value and value is not None:"),
    Bug("visits do not cancel what runs", "machine/compose.py",
        'return evolve(invocation, phase="stopping") if invocation.phase == "started" else invocation',
        "return invocation"),
    Bug("visits keep what waits", "machine/compose.py",
        'for i in invocations if i.phase != "waiting")', "for i in invocations)"),
    Bug("an effect may be asked for twice", "machine/compose.py",
        'i.effect == effect and i.phase in ("waiting", "started")', "False and i.effect == effect"),
    Bug("the other side's guard is not asked", "machine/compose.py",
        "    if rule.guard is not None:\n", "    if rule.guard is not None and take.depth == 0:\n"),
    Bug("assignments one after the other", "machine/compose.py",
        "assignment.value(frame, frame.fields, frame.args)",
        "assignment.value(frame, {**frame.fields, **changed}, frame.args)"),
    Bug("references to nobody", "machine/compose.py",
        "return entity is not None and entity.blueprint == kind.blueprint", "return True"),
    Bug("a joint step forgets who acts", "machine/compose.py",
        'Caller("entity", take.entity.blueprint, actor=take.by.actor)',
        'Caller("entity", take.entity.blueprint)'),
    Bug("an effect sees the fields as they were", "machine/compose.py",
        "            fields=entity.fields,\n            args=frame.args,",
        "            fields=frame.fields,\n            args=frame.args,"),
    Bug("fences without a visit are open", "machine/step.py",
        "event.visit != entity.visit:", "event.visit not in (None, entity.visit):"),
    Bug("a refused `ok` is the end of it", "machine/step.py",
        '        results = {"cause": "refused", "message": REFUSED}\n    if effect.error',
        "        draft.write(entity)\n        return\n    if effect.error"),
    Bug("ranges have no lower end", "machine/values.py",
        "kind.low <= value <= kind.high", "value <= kind.high"),
    Bug("one try more than asked for", "runtime/outbox.py",
        "attempt >= effect.attempts", "attempt > effect.attempts"),
    Bug("executions are not told", "runtime/outbox.py", "            if effect.world:\n",
        "            if False:\n"),
    Bug("results that do not fit are dropped", "runtime/outbox.py",
        'ending = replace(ending, ok=False, cause="invalid", message=str(error))', "results = {}"),
    Bug("what was left is not stopped", "runtime/outbox.py",
        "            task.cancel()\n\n    async def _renew", "\n\n    async def _renew"),
    Bug("an end is given to whoever comes next", "runtime/ends.py",
        'return None if mine and mine[0].phase != "late" else', "return None if True else"),
    Bug("timers of old visits fire", "runtime/timers.py",
        "return entity.visit == timer.visit", "return True"),
    Bug("a timer leased by the dead is lost", "runtime/timers.py",
        "limit=self._batch, lease_ms=self._lease_ms", "limit=self._batch, lease_ms=10**12"),
    Bug("an effect leased by the dead is lost", "runtime/outbox.py",
        "limit=free, lease_ms=self._settings.lease_ms", "limit=free, lease_ms=10**12"),
    Bug("answers of a group change places", "runtime/committer.py",
        "for (_, heard), answer in zip(group.queued, found,",
        "for (_, heard), answer in zip(group.queued, found[::-1],"),
    Bug("`read` ignores its condition", "api/seeing.py",
        "if not allowed or rule is None or rule.when is None:", "if True:"),
    Bug("secrets are told", "api/view.py",
        "frozenset(f.name for f in fields if f.secret)", "frozenset(f.name for f in fields if False)"),
    Bug("a kept decision forgets the arguments", "policy/engine.py",
        "            key = (*key, *map(arguments.get, self._argument_names))\n", "            pass\n"),
    Bug("policies do not tell callers apart", "policy/engine.py",
        "self._tells_principals, self._tells_resources = self.reads.principal,",
        "self._tells_principals, self._tells_resources = False,"),
    Bug("reading asks no policy", "policy/permit.py",
        "return decider.slice(entity.blueprint, READ).decide(who, caller.roles, entity.id, seen, {}).allowed",
        "return True"),
)  # fmt: skip
"""Fifty, and three about policies, which were chosen later. Some of them stand twice over, behind another
guard, and nothing may notice them."""

SOUND = Bug("none: the runtime as it is", "runtime/engine.py", "", "")

WHY_NOT = {
    "timers of old visits fire": "it changes nothing. A timer's row goes with its visit, and its lease with "
    "the row: the store refuses the step wherever the engine would have",
}
"""Why nothing can notice a bug: what stands behind it."""
