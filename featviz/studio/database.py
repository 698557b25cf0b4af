"""A database as the store uses it: short transactions that are on disk when they return."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import platformdirs
from sqlalchemy import Connection, Engine, create_engine, event, select, text, update
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DatabaseError,
    IntegrityError,
    InterfaceError,
    NoSuchModuleError,
    OperationalError,
    SQLAlchemyError,
)
from sqlalchemy.orm import Session

from featviz.base.errors import FeatvizError, one_line
from featviz.studio.line import Line
from featviz.studio.problems import StudioError
from featviz.studio.tables import MIGRATIONS, SCHEMA_VERSION, Record, Schema

_log = logging.getLogger("featviz.studio")

_T = TypeVar("_T")

_BUSY_SECONDS = 5.0
"""How long a transaction waits for others before it gives up."""

_LINE_BUSY = 6
"""How much longer somebody may stand in line, where things move on, than before a locked file."""
_ATTEMPTS = 4
_SCHEMA_LOCK = 5_120_512
_FULL = ("SQLITE_FULL", "SQLITE_IOERR")
_PG_FULL, _PG_CLASH = "53100", ("40001", "40P01")


def default_database() -> Path:
    """Where sketches are kept unless another place is named."""
    return platformdirs.user_data_path("featviz", appauthor=False) / "sketches.db"


def database_url(source: str | Path | None) -> URL:
    """The URL of a database: that of SQLAlchemy, or a path of an SQLite file.

    None means `default_database()`. Raises FeatvizError for other kinds of database than SQLite
    and PostgreSQL.
    """
    source = default_database() if source is None else source
    if isinstance(source, Path) or "://" not in source:
        return URL.create("sqlite", database=str(Path(source).absolute()))
    try:
        url = make_url(source)
    except (ArgumentError, ValueError):
        # Not the text itself: it may hold a password.
        raise FeatvizError("the database's URL cannot be read; " + _EXPECTED) from None
    kind = url.get_backend_name()
    if kind == "postgresql":
        return url.set(drivername="postgresql+psycopg")
    if kind != "sqlite":
        raise FeatvizError(f"'{kind}' is no kind of database for sketches; {_EXPECTED}")
    if not url.database or url.database == ":memory:":
        raise FeatvizError(f"a database in memory keeps nothing; {_EXPECTED}")
    return url.set(drivername="sqlite")


_EXPECTED = "expected a file, sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME"


class Database:
    """A sketch database, opened; its tables are made if it has none, and brought up to date.

    Raises FeatvizError if it cannot be opened or its tables are of a later version of featviz.
    """

    def __init__(self, source: str | Path | None = None, busy_seconds: float = _BUSY_SECONDS):
        self.url = database_url(source)
        self.busy_seconds = busy_seconds
        # One writer at a time is SQLite's rule. Waiting in line is fair and costs nothing;
        # SQLite's own way, trying again after a while, lets some starve when many save at once.
        self._line = Line() if self.is_sqlite else None
        self._file: tuple[int, int] | None = None
        self.engine = self._connect()
        # The same connections; their transactions take the writer's place from the start.
        self._writing = self.engine.execution_options(writes=True)
        # SQLite reads one state by itself; PostgreSQL would read a newer one at each statement.
        self._reading = (
            self.engine
            if self.is_sqlite
            else self.engine.execution_options(isolation_level="REPEATABLE READ")
        )
        try:
            self._prepare()
        except (SQLAlchemyError, StudioError) as error:
            self.close()
            known = error.__cause__ if isinstance(error, StudioError) else error
            reason = one_line(getattr(known, "orig", None) or error)
            raise FeatvizError(f"cannot open the database {self.name}: {reason}") from None

    @property
    def is_sqlite(self) -> bool:
        """Whether it is a file."""
        return self.url.get_backend_name() == "sqlite"

    @property
    def name(self) -> str:
        """For people: the file, or the URL without its password."""
        if self.is_sqlite:
            return str(self.url.database)
        return self.url.set(drivername="postgresql").render_as_string(hide_password=True)

    def close(self) -> None:
        """Let go of all connections."""
        self.engine.dispose()

    def read(self, work: Callable[[Session], _T]) -> _T:
        """What `work` gives in a transaction that sees one state of the database."""
        return self._run(work, self._reading)

    def write(self, work: Callable[[Session], _T]) -> _T:
        """Run `work` and commit; it is on disk when this returns, or nothing of it is.

        `work` may run more than once, if another transaction got in between. Raises StudioError
        "busy" (locked or gone) and "full" (no space).
        """
        if self._line is None:
            return self._run(work, self._writing)
        if not self._line.acquire(_LINE_BUSY * self.busy_seconds):
            raise StudioError("busy", "the database is busy; what you draw is sent again")
        try:
            self._require_file()
            return self._run(work, self._writing)
        finally:
            self._line.release()

    def _require_file(self) -> None:
        """What is written to a deleted file is gone when the last one closes it: refuse."""
        try:
            status = Path(str(self.url.database)).stat()
        except OSError:
            status = None
        file = None if status is None else (status.st_dev, status.st_ino)
        if self._file is None:
            self._file = file
        elif file != self._file:
            raise StudioError(
                "busy", "the database's file was moved or deleted; put it back, nothing is lost yet"
            )

    def _run(self, work: Callable[[Session], _T], engine: Engine) -> _T:
        for attempt in range(_ATTEMPTS):
            try:
                with Session(engine, expire_on_commit=False, autoflush=False) as session:
                    result = work(session)
                    session.commit()
                    return result
            except IntegrityError as error:
                # Somebody stored the same id or label between our look and our commit.
                if attempt == _ATTEMPTS - 1:
                    raise _problem(error) from error
            except (DatabaseError, InterfaceError) as error:
                if attempt < _ATTEMPTS - 1 and _sqlstate(error) in _PG_CLASH:
                    continue
                raise _problem(error) from error
            except FeatvizError:
                raise
            except (ValueError, TypeError) as error:
                # No JSON where JSON is stored, no time where a time is.
                _log.debug("the database holds something else", exc_info=True)
                raise StudioError(
                    "internal",
                    f"the database holds what featviz has not written: {one_line(error)}",
                ) from error
        raise AssertionError("unreachable")

    def _connect(self) -> Engine:
        if self.is_sqlite:
            path = Path(str(self.url.database))
            # The own place is nobody else's; a place that is named may be meant for several.
            mode = 0o700 if path == default_database() else 0o777
            path.parent.mkdir(parents=True, exist_ok=True, mode=mode)
            engine = create_engine(
                self.url,
                connect_args={"timeout": self.busy_seconds, "check_same_thread": False},
                pool_size=8,
                max_overflow=56,
                pool_timeout=self.busy_seconds,
            )
            event.listen(engine, "connect", _configure_sqlite)
            event.listen(engine, "begin", _begin_sqlite)
            return engine
        milliseconds = int(1000 * self.busy_seconds)
        try:
            return create_engine(
                self.url,
                pool_pre_ping=True,
                pool_timeout=self.busy_seconds,
                max_overflow=32,
                connect_args={
                    "connect_timeout": max(2, int(self.busy_seconds)),
                    "options": f"-c lock_timeout={milliseconds} "
                    f"-c statement_timeout={4 * milliseconds} -c timezone=UTC",
                },
            )
        except (ModuleNotFoundError, NoSuchModuleError):
            raise FeatvizError(
                "PostgreSQL needs psycopg; install it with `pip install 'featviz[postgresql]'`"
            ) from None

    def _prepare(self) -> None:
        def make_tables(session: Session) -> int:
            connection = session.connection()
            if not self.is_sqlite:
                # Two servers that start together must not both make the tables.
                connection.execute(text(f"SELECT pg_advisory_xact_lock({_SCHEMA_LOCK})"))
            Record.metadata.create_all(connection)
            version: int | None = session.scalar(select(Schema.version))
            if version is None:
                session.add(Schema(version=SCHEMA_VERSION))
                return SCHEMA_VERSION
            while version in MIGRATIONS:
                for statement in MIGRATIONS[version]:
                    connection.execute(text(statement))
                version += 1
                connection.execute(update(Schema).values(version=version))
            return version

        version = self.write(make_tables)
        if version != SCHEMA_VERSION:
            raise StudioError(
                "internal", f"its tables are of version {version}; expected {SCHEMA_VERSION}"
            )


def _configure_sqlite(connection: Any, _: Any) -> None:
    # The driver's own transactions begin late and only for some statements; ours say when.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in (
        # Readers do not wait for the writer, and a commit is one append.
        "journal_mode=WAL",
        # A commit is on disk, not only with the operating system: it survives a power cut.
        "synchronous=FULL",
        "foreign_keys=ON",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _sqlstate(error: SQLAlchemyError) -> str | None:
    return getattr(getattr(error, "orig", None), "sqlstate", None)


def _problem(error: SQLAlchemyError) -> StudioError:
    name = str(getattr(getattr(error, "orig", None), "sqlite_errorname", ""))
    if name.startswith(_FULL) or _sqlstate(error) == _PG_FULL:
        return StudioError("full", "the disk of the database is full; make room, nothing is lost")
    # SQLITE_ERROR: a table or a column is missing, which no waiting mends.
    if isinstance(error, OperationalError | InterfaceError) and name != "SQLITE_ERROR":
        return StudioError("busy", "the database is locked or gone; what you draw is sent again")
    _log.error("the database refused: %s", one_line(getattr(error, "orig", None) or error))
    return StudioError("internal", "the database refused a change; the server's log tells why")
