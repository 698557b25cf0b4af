from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
import sqlalchemy
import torch

from featviz.generators.checkpoint_files import save_network
from featviz.generators.networks.generators import GeneratorArchitecture, build_generator
from featviz.studio.database import Database
from featviz.studio.start_set import open_start_set
from featviz.studio.steps import NewEvent, NewStroke
from featviz.studio.store import Store
from tests.studio.postgres import postgres_programs, running_postgres
from tests.studio.serving import Serving, serving


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a PostgreSQL server of our own."""
    programs = postgres_programs()
    if programs is None:
        pytest.skip("no PostgreSQL is installed")
    with running_postgres(programs) as url:
        yield url


@pytest.fixture
def postgres_database(postgres: str) -> str:
    """The URL of an empty PostgreSQL database."""
    url = sqlalchemy.make_url(postgres).set(drivername="postgresql+psycopg")
    engine = sqlalchemy.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text("DROP SCHEMA public CASCADE"))
        connection.execute(sqlalchemy.text("CREATE SCHEMA public"))
    engine.dispose()
    return postgres


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """An empty sketch database, of either kind."""
    if request.param == "sqlite":
        source = str(tmp_path / "sketches.db")
    else:
        source = request.getfixturevalue("postgres_database")
    database = Database(source)
    yield database
    database.close()


@pytest.fixture
def store(database: Database) -> Store:
    return Store(database)


def small_checkpoint(path: Path, variant: str = "modified", seed: int = 0) -> Path:
    """A whole generator that takes no time, with weights large enough to see something."""
    torch.manual_seed(seed)
    network = build_generator(GeneratorArchitecture(variant, width=2, residual_blocks=1))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(10)
    save_network(network, path, "generator", {"step": 0}, torch.float32)
    return path


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two small generators: `small` (modified) and `plain` (baseline)."""
    folder = tmp_path_factory.mktemp("checkpoints")
    return (
        small_checkpoint(folder / "small.safetensors"),
        small_checkpoint(folder / "plain.safetensors", "baseline", 1),
    )


@pytest.fixture(scope="session")
def small_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A part of the repository's sketches: three of G1, three of G8, as a set of its own."""
    import pandas as pd

    source = Path(__file__).parents[2] / "sketches"
    folder = tmp_path_factory.mktemp("sets") / "small"
    index = pd.read_csv(source / "index.csv", dtype=str, keep_default_na=False)
    index = index[index["sketch"].str.fullmatch(r"G[18]/00[123]")]
    for file in index["file"]:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_bytes((source / file).read_bytes())
    index.to_csv(folder / "index.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def server(
    checkpoints: tuple[Path, Path], small_set: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Serving]:
    """A real server without a token."""
    database = tmp_path_factory.mktemp("served") / "sketches.db"
    with serving(database, checkpoints, small_set) as running:
        yield running


@pytest.fixture
def start_server(
    checkpoints: tuple[Path, Path], small_set: Path, tmp_path: Path
) -> Iterator[Callable[..., Serving]]:
    """Starts servers of one's own: start_server(token=..., database=...)."""
    from contextlib import ExitStack

    with ExitStack() as stack:

        def start(database: str | Path | None = None, token: str = "", **more: object) -> Serving:
            return stack.enter_context(
                serving(
                    database or tmp_path / "own.db",
                    more.pop("checkpoints", checkpoints),
                    more.pop("sketches", small_set),
                    token=token,
                    **more,
                )
            )

        yield start


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path / "other.db")
    yield database
    database.close()


@pytest.fixture
def drawn(store: Store, small_set: Path) -> Store:
    """Edits of start sketches, an edit of an edit, one from scratch, a draft, a deleted one."""
    starts = open_start_set(small_set)
    mei = store.authors.begin_session("Mei", "")[0].id
    jo = store.authors.begin_session("Jo", "")[0].id

    def add(me: str, drawing: str, number: int, last: str | None, *points: float) -> str:
        stroke = NewStroke(
            f"s{number}", "mouth", number + 0.5, points or (100.25, 200.0, 130.5, 9.0)
        )
        store.append_events(me, drawing, last, [NewEvent(f"e{number}", "draw", (stroke,), ())])
        return f"e{number}"

    def save(me: str, drawing: str, revision: int, group: str, *kept: bool) -> str:
        names = ("modified", "baseline")
        faces = [{"checkpoint": n, "kept": k} for n, k in zip(names, kept, strict=False)] or None
        return store.save_sketch(me, str(uuid4()), drawing, revision, group, faces=faces)[0].id

    edit = str(uuid4())
    store.create_drawing(mei, edit, starts.start(4), "1")
    last = add(mei, edit, 1, "start", 200.0, 300.0)
    first = save(mei, edit, 2, "微笑 smiles")
    undo = NewEvent("u1", "undo", (), ("s1", "b0"), "e1")
    store.append_events(mei, edit, last, [undo])
    save(mei, edit, 3, "微笑 smiles")
    add(mei, edit, 2, "u1")

    child = str(uuid4())
    store.create_drawing(jo, child, first, "1")
    add(jo, child, 1, "start", -5.0, 3.07, 600.0, 500.33)
    store.append_events(jo, child, "e1", [NewEvent("r1", "rebase", (), ())])
    save(jo, child, 3, "jo's", True, False)

    scratch = str(uuid4())
    store.create_drawing(jo, scratch, None, "1")
    add(jo, scratch, 1, None)
    save(jo, scratch, 1, "jo's")
    gone = save(jo, scratch, 1, "jo's")
    store.delete_sketch(jo, gone, True)

    draft = str(uuid4())
    store.create_drawing(mei, draft, None, "1")
    add(mei, draft, 1, None)
    return store
