"""A campaign on a Ray cluster.

Every machine needs the same release of Lathe with the extra `ray`. A chunk is files, a mix and seeds in, and
a tally out, so it does not matter who runs it.
"""

from __future__ import annotations

import importlib.util
import socket
from collections.abc import Callable, Iterator, Mapping

from lathe import __version__
from lathe.errors import UsageError
from lathe.sim.campaign import AHEAD, Chunk, Tally, run_chunk
from lathe.sim.prepared import Prepared, prepare

Files = Mapping[str, bytes]
CONNECT_SECONDS = 5
KEPT_LIMIT = 4
"""Apps that a worker keeps ready."""


def check() -> None:
    """Raises `UsageError` if this installation has no Ray."""
    if importlib.util.find_spec("ray") is None:
        raise UsageError("--ray needs Ray: install `lathe[ray]`, here and on every machine of the cluster")


def campaign_over_ray(
    files: Files, planned: Iterator[Chunk], *, address: str, is_over: Callable[[], bool]
) -> Iterator[tuple[Chunk, Tally]]:
    """Run chunks on a cluster (`address`; `local`: one of this machine's processors), and give each as it
    ends.

    After the first, none is begun once `is_over`. Raises `UsageError` if there is no Ray, or no cluster, or
    one of its machines has another release of Lathe.
    """
    check()
    _is_there(address)
    import ray  # late: it is an extra, and starts processes

    try:
        ray.init(
            address=None if address == "local" else address,
            include_dashboard=False if address == "local" else None,
            logging_level="ERROR",
            log_to_driver=False,
        )
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise UsageError(f"there is no Ray cluster at `{address}` that lets us in: {error}") from None
    try:
        work = ray.remote(_run)
        shipped = ray.put(dict(files))
        places = max(1, int(ray.cluster_resources().get("CPU", 1)))
        waiting: dict[object, Chunk] = {}
        is_begun = False
        while True:
            while len(waiting) < places * AHEAD and not (is_begun and is_over()):
                is_begun = True
                ahead = next(planned, None)
                if ahead is None:
                    break
                waiting[work.remote(__version__, shipped, ahead)] = ahead
            if not waiting:
                return
            done, _ = ray.wait(list(waiting), num_returns=1)
            for one in done:
                try:
                    tally: Tally = ray.get(one)
                except ray.exceptions.RayTaskError as error:
                    raise UsageError(f"a machine of the cluster cannot: {error.cause}") from None
                yield waiting.pop(one), tally
    finally:
        ray.shutdown()


def _is_there(address: str) -> None:
    """Whether anybody listens at `HOST:PORT`: Ray itself asks for minutes."""
    host, colon, port = address.rpartition(":")
    if not colon or "/" in host or not port.isdigit():
        return
    try:
        socket.create_connection((host, int(port)), CONNECT_SECONDS).close()
    except OSError as error:
        raise UsageError(f"there is no Ray cluster at `{address}`: {error}") from None


_prepared: dict[int, Prepared] = {}
"""What a worker has made ready, by its files."""


def _run(release: str, files: Files, chunk: Chunk) -> Tally:
    if release != __version__:
        raise UsageError(f"it has Lathe {__version__}, the campaign is of {release}")
    name = hash(tuple(sorted(files.items())))
    found = _prepared.get(name)
    if found is None:
        if len(_prepared) >= KEPT_LIMIT:
            _prepared.clear()
        found = _prepared[name] = prepare(files)
    return run_chunk(found, chunk)
