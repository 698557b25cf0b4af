"""Who draws: authors, and the secrets by which their sessions are known."""

import hashlib
import secrets

from sqlalchemy import select
from sqlalchemy.orm import Session

from featviz.studio.database import Database
from featviz.studio.tables import Author, now


class Authors:
    """The authors of a database. All methods are safe to call from any thread."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def begin_session(self, nickname: str, token: str) -> tuple[Author, str]:
        """A new author and the secret by which `author_of` knows them again."""
        secret = secrets.token_urlsafe(32)
        author = Author(
            id=secrets.token_hex(8),
            nickname=nickname,
            secret_digest=_digest(secret),
            token_digest=_digest(token) if token else "",
            created=now(),
        )
        self.database.write(lambda session: session.add(author))
        return author, secret

    def author_of(self, secret: str, token: str) -> Author | None:
        """Whose secret it is; None if nobody's, or if the server's token has changed since."""
        digest = _digest(secret)
        author = self.database.read(
            lambda session: session.scalar(select(Author).where(Author.secret_digest == digest))
        )
        expected = _digest(token) if token else ""
        if author is None or not secrets.compare_digest(author.token_digest, expected):
            return None
        return author

    def renew_session(self, secret: str, token: str) -> Author | None:
        """The author of a secret, known from now on by this token; None if it is nobody's.

        For servers whose token has changed: who has both is who they were before.
        """
        digest = _digest(secret)

        def work(session: Session) -> Author | None:
            author = session.scalar(select(Author).where(Author.secret_digest == digest))
            if author is not None:
                author.token_digest = _digest(token) if token else ""
            return author

        return self.database.write(work)

    def end_session(self, secret: str) -> None:
        """Make a secret worthless; what its author drew stays."""
        digest = _digest(secret)

        def work(session: Session) -> None:
            author = session.scalar(select(Author).where(Author.secret_digest == digest))
            if author is not None:
                author.secret_digest = None

        self.database.write(work)

    def rename(self, author_id: str, nickname: str) -> Author:
        """Give an author another nickname."""

        def work(session: Session) -> Author:
            author = session.get_one(Author, author_id)
            author.nickname = nickname
            return author

        return self.database.write(work)

    def nickname(self, author_id: str | None) -> str:
        """What an author is called; "" for nobody."""
        if author_id is None:
            return ""
        author = self.database.read(lambda session: session.get(Author, author_id))
        return "" if author is None else author.nickname


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
