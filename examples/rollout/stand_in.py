"""A stand-in for Kubernetes and Kafka: replaces brokers one at a time, and asks Lathe before each.

    python stand_in.py PORT LATHE [SECONDS]

Started by `lathe dev`. An image with `broken` in its name fails at its first broker, which stays down until
it is restored; one that has `slow` in it takes ten times as long.
"""

from __future__ import annotations

import json
import sys
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import sleep

SECONDS_A_BROKER = 0.3


class Cluster:
    """Which brokers are down, and how long one takes."""

    def __init__(self, lathe: str, seconds: float) -> None:
        self.lathe = lathe
        self.seconds = seconds
        self.down: dict[str, int] = {}

    def ask(self, rollout: str, action: str, token: str) -> bool:
        """Take an action of the rollout as the effect that asked for this; False if it is refused."""
        request = urllib.request.Request(
            f"{self.lathe}/v1/rollout/rollouts/{rollout}/{action}", b"{}", {"authorization": token}
        )
        request.add_header("content-type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=10):
                return True
        except urllib.error.HTTPError:
            return False

    def roll(self, rollout: str, image: str, replicas: int, token: str) -> str | None:
        """Replace every broker, one after another; why not, if it fails."""
        seconds = self.seconds * (10 if "slow" in image else 1)
        if self.down.get(rollout) and self.ask(rollout, "progress", token):
            self.down[rollout] = 0
        for _ in range(replicas):
            if not self.ask(rollout, "drain", token):
                return "not allowed to take a broker down"
            self.down[rollout] = 1
            sleep(seconds)
            if "broken" in image:
                return f"no broker comes up with {image}"
            self.ask(rollout, "progress", token)
            self.down[rollout] = 0
        return None

    def undo(self, rollout: str, token: str) -> None:
        """Bring the broker that is down back with the image before."""
        sleep(self.seconds)
        while self.ask(rollout, "progress", token):
            self.down[rollout] = 0


class Handler(BaseHTTPRequestHandler):
    """The few addresses that the blueprint calls."""

    cluster: Cluster

    def _body(self) -> dict[str, object]:
        return json.loads(self.rfile.read(int(self.headers.get("content-length") or 0)) or b"{}")

    def _answer(self, status: int, document: object) -> None:
        data = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_PUT(self) -> None:
        """`PUT /statefulset`: roll."""
        body = self._body()
        token = self.headers.get("authorization") or ""
        failed = self.cluster.roll(
            str(body["rollout"]), str(body["image"]), int(str(body["replicas"])), token
        )
        self._answer(422 if failed else 200, {"ok": failed is None, "why": failed})

    def do_POST(self) -> None:
        """`POST /undo`: go back."""
        body = self._body()
        self.cluster.undo(str(body["rollout"]), self.headers.get("authorization") or "")
        self._answer(200, {"ok": True})

    def do_GET(self) -> None:
        """`GET /isr`: whether all replicas are in sync."""
        self._answer(200, {"in_sync": not any(self.cluster.down.values())})

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the journal tells."""


def main() -> None:
    """Serve until terminated."""
    port, lathe = int(sys.argv[1]), sys.argv[2]
    Handler.cluster = Cluster(lathe, float(sys.argv[3]) if len(sys.argv) > 3 else SECONDS_A_BROKER)
    ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()


if __name__ == "__main__":
    main()
