"""The permit that the machine is given in checks: `by` alone, or `by` and the app's policies.

Runs that are shown, replayed and kept are taken on the machine with the permit of their app, so that
forbids and permits count there as in the search.
"""

from __future__ import annotations

from lathe.lang.model import App
from lathe.machine.step import Permit, admitted


def permit_of(app: App) -> Permit:
    """Whether an action of an app may be taken by a caller; an app without policies loads nothing for it."""
    if not app.policies:
        return admitted
    from lathe.check.composed.policies import policed  # only here: it loads cedarpy
    from lathe.policy.permit import permit_by

    return permit_by(policed(app).decider)
