"""Made-up feature tables in which every claim of vectors holds, built from its words alone."""

from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from featviz.analysis.claims import STUDY
from featviz.base.feature_table import FeatureTable

GROUPS = (*STUDY.unchanged, *STUDY.changed)
BASE_OF = {"G10": "G9/0", "G11": "G8/0"}
LAYERS = ("L0", "L1", "L2", "L3", "L4")
CHANNELS = 24


@dataclass(frozen=True)
class World:
    """How far edits move a vector (`within`, `eyes` where they touch the eyes, as `changed` unless
    given) and faces lie apart (`between`), layer by layer; `changed` is what doodles do.
    unevenness: by how much that differs from base to base. unit: of all numbers.
    """

    variant: str
    within: tuple[float, ...]
    between: tuple[float, ...]
    changed: tuple[float, ...] = (2.0, 2.0, 2.0, 2.0, 2.0)
    eyes: tuple[float, ...] | None = None
    unevenness: float = 0.0
    unit: float = 1.0
    members: int = 7
    seed: int = 0
    nudges: dict[str, object] = field(default_factory=dict)

    def table(self) -> FeatureTable:
        rng = np.random.default_rng(self.seed)
        names = [f"{group}/{i}" for group in GROUPS for i in range(self.members)]
        groups = [name.split("/")[0] for name in names]
        bases = ["" if group == "G7" else BASE_OF.get(group, f"{group}/0") for group in groups]
        rows = pd.DataFrame({"sketch": names, "group": groups, "base": bases})
        rows = rows.assign(point_x=170, point_y=250)
        # Faces sit at the corners of a simplex: all equally far apart.
        faces = {group: i for i, group in enumerate(GROUPS)}
        vectors = {}
        for k, layer in enumerate(LAYERS):
            uneven = np.exp(self.unevenness * rng.normal(size=len(GROUPS)))
            found = np.zeros((len(names), CHANNELS))
            for i, (name, group, base) in enumerate(zip(names, groups, bases, strict=True)):
                face = faces[base.split("/")[0] or group]
                found[i, face] = self.between[k] / np.sqrt(2)
                size = self.within[k]
                if group in STUDY.changed:
                    size = (self.changed if group == "G7" else self.eyes or self.changed)[k]
                size *= uneven[face]
                if name != base:
                    step = rng.normal(size=CHANNELS)
                    found[i] += size * step / np.linalg.norm(step)
            vectors[layer] = (self.unit * found).astype(np.float32)
        table = FeatureTable(rows, vectors, {"variant": self.variant, "checkpoint": self.variant})
        for name, nudge in self.nudges.items():
            layer, group = name.split()
            chosen = rows["group"].to_numpy() == group
            vectors[layer][chosen] = nudge(vectors[layer][chosen], vectors[layer], rows)
        return table

    def but(self, **changes) -> "World":
        return replace(self, **changes)


def crossed_table(eyes: float, faces: float, noise: float = 0.02, seed: int = 5) -> FeatureTable:
    """Every one of 6 pairs of eyes on every one of 5 faces; how far each moves a vector."""
    rng = np.random.default_rng(seed)
    of_eyes, of_faces = (rng.normal(size=(count, CHANNELS)) for count in (6, 5))
    names = [(f, e) for f in range(5) for e in range(6)]
    rows = pd.DataFrame({"sketch": [f"F{f}/E{e}" for f, e in names]})
    rows = rows.assign(group=[f"F{f}" for f, _ in names], point_x=170, point_y=250)
    vectors = np.stack([eyes * of_eyes[e] + faces * of_faces[f] for f, e in names])
    vectors += noise * rng.normal(size=vectors.shape)
    metadata = {"variant": "modified", "checkpoint": "modified"}
    return FeatureTable(rows, {"L4": vectors.astype(np.float32)}, metadata)


MODIFIED = World(
    "modified",
    (0.0, 0.0, 0.1, 0.17, 0.25),
    (1.0, 1.0, 1.0, 0.75, 0.45),
    eyes=(2.0, 2.0, 1.6, 1.1, 0.7),
)
BASELINE = World("baseline", (0.6, 0.6, 0.8, 0.8, 0.8), (1.0, 1.0, 1.0, 0.75, 0.45), seed=1)
