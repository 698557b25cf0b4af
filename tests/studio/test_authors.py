"""Authors, on SQLite and on a real PostgreSQL."""

from featviz.studio.authors import Authors
from featviz.studio.database import Database


def test_a_session_is_known_by_its_secret_and_ends_with_another_token(database: Database) -> None:
    authors = Authors(database)
    me, secret = authors.begin_session("Mei", "first token")
    known = authors.author_of(secret, "first token")
    assert known is not None and (known.id, known.nickname) == (me.id, "Mei")
    assert authors.author_of(secret, "second token") is None
    assert authors.author_of(secret, "") is None
    assert authors.author_of(secret[:-1], "first token") is None
    assert authors.rename(me.id, "梅").nickname == "梅"
    assert authors.nickname(me.id) == "梅"


def test_a_database_holds_no_secret_by_which_one_could_be_somebody(database: Database) -> None:
    authors = Authors(database)
    me, secret = authors.begin_session("Mei", "the token")
    assert secret not in str(vars(me)) and "the token" not in str(vars(me))
