"""What is compared, in a database on disk: memory stays within the cache however many records there are."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CACHE_KIB = 32 * 1024
"""KiB of the database that are kept in memory."""
FETCHED = 2000
"""Rows fetched at once."""

_SCHEMA = """
CREATE TABLE outcomes (
    place INTEGER, writer TEXT, offset INTEGER, outcome TEXT, PRIMARY KEY (place, writer, offset)
) WITHOUT ROWID;
CREATE TABLE letters (place INTEGER, offset INTEGER, stage TEXT, PRIMARY KEY (place, offset, stage)) WITHOUT ROWID;
CREATE TABLE events (
    place INTEGER, offset INTEGER, time INTEGER, role TEXT, type TEXT, id TEXT, kind TEXT, key TEXT,
    received_at INTEGER, body BLOB, settled INTEGER, counted INTEGER, origin TEXT
);
CREATE TABLE retries (
    place INTEGER, offset INTEGER, id TEXT, outcome TEXT, gone INTEGER, PRIMARY KEY (place, offset, id)
) WITHOUT ROWID;
CREATE TABLE moving (key TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE floors (topic TEXT, partition INTEGER, time INTEGER, PRIMARY KEY (topic, partition)) WITHOUT ROWID;
CREATE TABLE places (place INTEGER PRIMARY KEY, topic TEXT, partition INTEGER);
CREATE TABLE states (kind TEXT, key TEXT, partition INTEGER, state BLOB, record BLOB, PRIMARY KEY (kind, key));
CREATE TABLE receipts (
    id TEXT, kind TEXT, key TEXT, partition INTEGER, topic TEXT, type TEXT, received_at INTEGER,
    first INTEGER
);
CREATE TABLE updates (
    place INTEGER, offset INTEGER, time INTEGER, target TEXT, id TEXT, key TEXT, version INTEGER, digest TEXT,
    settled INTEGER, counted INTEGER
);
CREATE TABLE sent (target TEXT, key TEXT, id TEXT, version INTEGER, digest TEXT, PRIMARY KEY (target, key));
CREATE TABLE problems (about TEXT, time INTEGER, id TEXT, source TEXT, problem TEXT);
CREATE TABLE pending (about TEXT, time INTEGER, id TEXT, source TEXT);
"""


class Database:
    """Tables, the audit's or those of another ``schema``."""

    def __init__(self, path: Path, schema: str) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        for pragma in ("journal_mode=OFF", "synchronous=OFF", "locking_mode=EXCLUSIVE", f"cache_size=-{CACHE_KIB}"):
            self._connection.execute(f"PRAGMA {pragma}")
        self._connection.executescript(schema)

    def run(self, statement: str, values: Sequence[Any] = ()) -> None:
        """Change something."""
        self._connection.execute(statement, values)

    def put(self, statement: str, rows: Iterable[Sequence[Any]]) -> None:
        """Change something once for each row, in one transaction."""
        self._connection.execute("BEGIN")
        self._connection.executemany(statement, rows)
        self._connection.execute("COMMIT")

    def rows(self, query: str, values: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        """The rows of a query, not all in memory at once."""
        cursor = self._connection.cursor()
        cursor.arraysize = FETCHED
        cursor.execute(query, values)
        while found := cursor.fetchmany():
            yield from found

    def one(self, query: str, values: Sequence[Any] = ()) -> tuple[Any, ...] | None:
        """The first row of a query."""
        found: tuple[Any, ...] | None = self._connection.execute(query, values).fetchone()
        return found

    def problem(self, about: str, time: int | None, id: str, source: str, problem: str) -> None:
        """Name something that does not balance. ``time`` is in milliseconds since 1970."""
        self.run("INSERT INTO problems VALUES (?, ?, ?, ?, ?)", (about, time, id, source, problem))

    def wait_for(self, about: str, time: int, id: str, source: str) -> None:
        """Name something that has not ended yet."""
        self.run("INSERT INTO pending VALUES (?, ?, ?, ?)", (about, time, id, source))

    def close(self) -> None:
        self._connection.close()


@contextmanager
def database(folder: Path | None, schema: str = _SCHEMA) -> Iterator[Database]:
    """A database in a new folder below ``folder``, or below the system's for temporary files; removed at the end.

    Raises:
        OSError: the folder cannot be written to.
    """
    with tempfile.TemporaryDirectory(prefix="norce-pipeline-", dir=folder) as own:
        before = os.environ.get("SQLITE_TMPDIR")
        os.environ["SQLITE_TMPDIR"] = own  # where sorting goes that does not fit into memory
        found = Database(Path(own) / "rows.db", schema)
        try:
            yield found
        finally:
            found.close()
            del os.environ["SQLITE_TMPDIR"]
            if before is not None:
                os.environ["SQLITE_TMPDIR"] = before
