from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy
import torch

from featviz.generators.checkpoint_files import save_network
from featviz.generators.networks.generators import GeneratorArchitecture, build_generator
from featviz.studio.database import Database
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
