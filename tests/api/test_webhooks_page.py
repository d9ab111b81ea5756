"""What docs/howto/receive-webhooks.md sends by hand is signed as the schemes want it."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from lathe.api.entities.inbound import SCHEMES

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "receive-webhooks.md"
BLOCKS = re.findall(r"^```sh\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
CURL = "curl() { printf '%s\\n' \"$@\"; }\n"
SECRETS = {
    "standard": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "github": "a secret of some length",
    "stripe": "another secret of some length",
}


@pytest.mark.skipif(shutil.which("openssl") is None, reason="signs by openssl")
@pytest.mark.parametrize(("scheme", "block"), [*zip(SECRETS, BLOCKS, strict=True)])
def test_what_the_page_sends_is_let_in(scheme: str, block: str) -> None:
    given = f"PAY_SECRET='{SECRETS[scheme]}'; ORDER=one; BODY='{{\"sum\": 2}}'\n"
    told = subprocess.run(["sh", "-c", CURL + given + block], capture_output=True, text=True, check=True)
    words = told.stdout.splitlines()
    body = words[words.index("-d") + 1]
    header = dict(word.lower().split(": ", 1) for word in words if re.match(r"[A-Za-z0-9-]+: ", word))
    header |= dict(word.split(": ", 1) for word in words if word.startswith("webhook-signature"))
    assert SCHEMES[scheme](SECRETS[scheme], header, body.encode(), int(time.time()))
    assert not SCHEMES[scheme](SECRETS[scheme], header, b"{}..", int(time.time()))
    assert not SCHEMES[scheme]("another", header, body.encode(), int(time.time()))


def test_the_page_signs_by_every_scheme() -> None:
    assert SECRETS.keys() == SCHEMES.keys()
