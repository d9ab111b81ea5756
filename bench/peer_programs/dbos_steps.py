"""DBOS: one workflow of one step for each action, called in process by threads, without HTTP.

    python dbos_steps.py URL CONNECTIONS SECONDS

The pool of connections is as large as the number of threads, as its documentation advises.
"""

from __future__ import annotations

import sys

import sqlalchemy
from dbos import DBOS, DBOSConfig
from load import printed, threads

totals: dict[int, int] = {}


@DBOS.step()
def add(entity: int) -> int:
    """The step: what it answers is what DBOS keeps."""
    totals[entity] = totals.get(entity, 0) + 1
    return totals[entity]


@DBOS.workflow()
def act(entity: int) -> int:
    """The workflow around it."""
    return add(entity)


def durability(url: str) -> str:
    """What the database says of its own syncing, over a connection made as DBOS makes them."""
    engine = sqlalchemy.create_engine(url)
    with engine.connect() as connection:
        if url.startswith("sqlite"):
            mode = connection.exec_driver_sql("pragma journal_mode").scalar()
            level = connection.exec_driver_sql("pragma synchronous").scalar()
            return f"journal_mode={mode}, synchronous={level}"
        return f"synchronous_commit={connection.exec_driver_sql('show synchronous_commit').scalar()}"


def main() -> None:
    """Measure, and print one line."""
    url, connections, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    config: DBOSConfig = {
        "name": "peer",
        "system_database_url": url,
        "sys_db_pool_size": max(connections, 5),
        "log_level": "ERROR",
    }
    DBOS(config=config)
    DBOS.launch()
    threads(act, connections, 1.0)
    times, took = threads(act, connections, seconds)
    printed(times, took, durability(url))
    DBOS.destroy()


main()
