"""Which databases are opened, and what is said of the others."""

from pathlib import Path

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.orm import Session

from featviz.base.errors import FeatvizError
from featviz.studio.database import Database, database_url
from featviz.studio.store import Store
from featviz.studio.tables import Schema
from tests.studio.exports import rows


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("mysql://localhost/x", "'mysql' is no kind"),
        ("sqlite://", "in memory keeps nothing"),
        ("://", "cannot be read"),
    ],
)
def test_other_databases_are_refused_in_one_line(source: str, said: str) -> None:
    with pytest.raises(FeatvizError, match=said) as caught:
        database_url(source)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "text.db"
    path.write_text("no database " * 100)
    with pytest.raises(FeatvizError, match="not a database"):
        Database(path)
    assert path.read_text().startswith("no database")


def test_a_database_of_another_version_is_refused(database: Database) -> None:
    from featviz.base.errors import FeatvizError

    database.write(lambda session: session.execute(update(Schema).values(version=7)))
    with pytest.raises(FeatvizError, match="version 7; expected 2"):
        Database(database.url.render_as_string(hide_password=False))


def test_an_unreachable_postgresql_is_one_line_without_the_password() -> None:
    with pytest.raises(FeatvizError, match="cannot open the database") as caught:
        Database("postgresql://me:hidden@127.0.0.1:9/none", busy_seconds=1)
    assert "hidden" not in str(caught.value) and "\n" not in str(caught.value)


def test_a_database_from_before_faces_were_told_is_brought_up_to_date_once(drawn: Store) -> None:
    before = rows(drawn.database, secrets=True)

    def as_it_was(session: Session) -> None:
        for column in ("faces", "bases"):
            session.execute(text(f"ALTER TABLE sketches DROP COLUMN {column}"))
        session.execute(update(Schema).values(version=1))

    drawn.database.write(as_it_was)
    for _ in range(2):
        database = Database(drawn.database.url.render_as_string(hide_password=False))
        assert rows(database, secrets=True) == before
        assert database.read(lambda session: session.scalar(select(Schema.version))) == 2
        database.close()
