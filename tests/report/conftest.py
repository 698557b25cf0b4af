"""A small study, extracted for real: 24 of the shipped sketches, two untrained networks."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
from playwright.sync_api import Browser

from featviz.analysis.claims import Claim, ClaimPart, Claims, Definition, Finding, write_claims
from featviz.analysis.leakage import write_maps
from featviz.analysis.leakage.measure import measure_leakage
from featviz.base.feature_table import write_features
from featviz.extraction import extract
from featviz.generators.checkpoint_files import load_generator
from featviz.report import Contents, ReportRequest, gather, render_report
from featviz.sketches.sketch_set import read_sketches
from tests.studio.browser import SKETCHES, make_checkpoints, running_browser

TAKEN = {"G1": 3, "G5": 5, "G7": 3, "G8": 5, "G9": 3, "G11": 5}
LAYERS = ("L0", "L1", "L3")


@dataclass(frozen=True)
class Study:
    """Where everything lies."""

    folder: Path
    sketches: Path
    features: tuple[Path, ...]
    generators: tuple[str, ...]
    claims: Path
    leakage: Path
    columns: Path


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    folder = tmp_path_factory.mktemp("report")
    sketches = folder / "set"
    index = pd.read_csv(SKETCHES / "index.csv", dtype=str, keep_default_na=False)
    index = pd.concat(index[index["group"] == name].head(count) for name, count in TAKEN.items())
    index.loc[~index["base"].isin(index["sketch"]), "base"] = ""
    for file in index["file"]:
        (sketches / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(SKETCHES / file, sketches / file)
    index.to_csv(sketches / "index.csv", index=False)
    generators = tuple(map(str, make_checkpoints(folder)))
    found = read_sketches(sketches)
    features = []
    for source in generators:
        loaded = load_generator(source)
        table = extract(
            loaded.generator,
            found,
            layers=LAYERS,
            provenance={
                "digest": loaded.digest,
                "checkpoint": loaded.name,
                "variant": loaded.metadata["variant"],
            },
        )
        features.append(folder / f"{loaded.name}.parquet")
        write_features(table, features[-1])
    claims = folder / "claims.json"
    write_claims(_claims(), claims)
    leakage = folder / "leakage"
    for source in generators:
        loaded = load_generator(source)
        measured = measure_leakage(
            loaded.generator,
            found.of_groups("G1", "G8"),
            LAYERS,
            ("all",),
            name=loaded.name,
            most=1,
        )
        write_maps(measured.maps, leakage / f"{loaded.name}-maps.npz")
    columns = folder / "columns.csv"
    index.assign(length=range(len(index)), kind=["round", "long"] * (len(index) // 2))[
        ["sketch", "length", "kind"]
    ].to_csv(columns, index=False)
    return Study(folder, sketches, tuple(features), generators, claims, leakage, columns)


def _claims() -> Claims:
    parts = []
    for name, value, verdict in (("near", 0.0, "holds"), ("far", 0.02, "does not hold")):
        definition = Definition(
            "C1", name, f"it is {name}", "a <number>", "at least", 0.1, "so", scope="these faces"
        )
        finding = Finding(value, low=0.012, high=0.034) if name == "far" else Finding(value)
        parts.append(ClaimPart(definition, finding, None, verdict, f"{name} because"))
    judged = Claim("C1", "vectors are <equal> & more", tuple(parts), "does not hold", "far is not")
    unknown = Claim("C2", "another", (), "cannot be judged", "nothing was given")
    return Claims((judged, unknown), {})


@pytest.fixture(scope="session")
def contents(study: Study) -> Contents:
    return gather(
        ReportRequest(
            features=study.features,
            sketches=study.sketches,
            generators=study.generators[:1],
            claims=study.claims,
            leakage=study.leakage,
            kept=True,
            columns=study.columns,
            title="A <small> study",
            command="featviz report *.parquet",
        )
    )


@pytest.fixture(scope="session")
def page_file(study: Study, contents: Contents) -> Path:
    path = study.folder / "report.html"
    path.write_text(render_report(contents), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running_browser() as browser:
        yield browser
