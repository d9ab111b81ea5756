"""Tokens and the audit as markdown."""

from __future__ import annotations

import httpx2
from tests.console.world import world


def test_tokens_and_the_audit_are_told_and_no_secret() -> None:
    with world("rollout") as found:
        sent = {"principal": "ann", "kind": "person", "roles": ["operator"], "note": "| ours"}
        made = found.request("POST", "/v1/tokens", json=sent)
        asked = {"accept": "text/markdown"}
        access = httpx2.get(f"{found.url}/console/access", headers=asked).text
        assert "You are `dev`, a person of `main`." in access
        assert f"| `{made['id']}` | `ann` | person | `operator` " in access
        assert "\\| ours" in access
        audit = httpx2.get(f"{found.url}/console/audit", headers=asked).text
        assert "`token.created` | `dev` |" in audit
        secret = made["token"][-20:]
        assert secret not in access + audit
        bearer = {**asked, "authorization": f"Bearer {made['token']}"}
        refused = httpx2.get(f"{found.url}/console/audit", headers=bearer)
        assert refused.status_code == 403
        assert "You are `ann`" in httpx2.get(f"{found.url}/console/access", headers=bearer).text
