"""`lathe new`."""

from __future__ import annotations

import os

import click

from lathe.cli import exitcode, output
from lathe.cli.command import command as make_command
from lathe.cli.exitcode import Stop
from lathe.cli.files import printable
from lathe.errors import UsageError
from lathe.lang.resolve.naming import RESERVED_APPS, is_name


@make_command("new", examples=("lathe new ticket", "lathe new apps/ticket && lathe check apps/ticket"))
@click.argument("name", type=click.Path())
def command(*, name: str) -> int:
    """Make the folder NAME with a small app in it that is admitted. Overwrites nothing.

    A folder that is there has to be empty; `.` is the one in which you are.
    """
    folder = os.path.normpath(name)
    app = os.path.basename(os.path.abspath(folder)) if name else ""
    if not is_name(app) or app in RESERVED_APPS:
        taken = (
            "reserved"
            if app in RESERVED_APPS
            else "no name for an app: use lower-case letters, digits and `_`"
        )
        raise UsageError(f"`{printable(app)}` is {taken}")
    blueprint = "".join(word.capitalize() for word in app.split("_"))
    texts = {"app.toml": APP.format(app=app), f"{app}.blueprint.toml": BLUEPRINT.format(blueprint=blueprint)}
    try:
        os.makedirs(folder, exist_ok=True)
        if os.listdir(folder):
            raise Stop(f"`{printable(folder)}` is not empty: nothing was made", code=exitcode.CONFLICT)
        for file, text in texts.items():
            with open(os.path.join(folder, file), "x", encoding="utf-8", newline="\n") as handle:
                handle.write(text)
    except OSError as error:
        reason = (error.strerror or "unknown").lower()
        code = exitcode.of_os_error(error)
        raise Stop(f"`{printable(folder)}` cannot be made: {reason}", code=code) from error
    made = ", ".join(printable(os.path.normpath(os.path.join(folder, file))) for file in texts)
    output.talk(f"made {made}\nnext: lathe check {printable(folder)}")
    return exitcode.DONE


APP = """\
app = "{app}"

[role]
requester = "asks for it"
worker = "does it"
"""

BLUEPRINT = """\
blueprint = "{blueprint}"
doc = "Something to be done by one worker at a time, in at most three attempts."

[state]
open = {{ initial = true, waits = "a worker claims it" }}
claimed = {{ after = "15m", then = "expire" }}
done = {{ final = true }}
failed = {{ final = true }}

[field]
attempts = {{ type = "int", range = [0, 3], default = 0 }}
owner = {{ type = "id" }}

[action]
create = {{ by = "role:requester" }}
finish = {{ from = "claimed", to = "done", by = "role:worker", when = "actor == owner" }}
expire = {{ from = "claimed", to_if = "'open' if attempts < 3 else 'failed'", do = ["owner = None"] }}

[action.claim]
from = "open"
to = "claimed"
by = "role:worker"
when = "attempts < 3"
do = ["attempts += 1", "owner = actor"]

[invariant]
an_open_one_has_no_owner = {{ that = "owner is None", in = ["open"] }}
a_claimed_one_has_an_owner = {{ that = "owner is not None", in = ["claimed"] }}
"""
