"""`featviz claims`."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tyro.conf import Positional, UseAppendAction

from featviz.base.errors import FeatvizError
from featviz.commands.shared import SKETCHES, Edits, most_edits, remark, say, use_threads

if TYPE_CHECKING:
    from featviz.analysis.claims.image_claims import Findings
    from featviz.analysis.claims.study import Study
    from featviz.base.feature_table import FeatureTable
    from featviz.sketches.sketch_set import SketchSet

_DATA = Path("data/faces")
_ROLES = ("baseline", "modified", "no-norm", "augmented")


@dataclass(frozen=True)
class ClaimsCommand:
    """Judge the source study's claims C1 to C21, by thresholds fixed in advance."""

    features: Positional[tuple[Path, ...]] = ()
    """Feature tables of a baseline and a modified network, in any order; `featviz extract` writes
    them. C1 to C9 and C15 are judged on these."""
    baseline: Path | None = None
    """The baseline's feature table, where its metadata does not tell that it is one."""
    modified: Path | None = None
    """The modified network's feature table, likewise."""
    crossed: Path | None = None
    """For C9: the modified network's feature table of every pair of eyes on every face, sketches
    FACE/EYES, as `featviz extract MODIFIED --sketches sketches/crossed` writes it."""
    point: tuple[int, int] | None = None
    """Which point of the tables, if they hold more than one."""
    images: bool = False
    """Also generate images and judge C10 to C14 and C16 to C18 on them: about four minutes on two
    cores."""
    generators: tuple[tuple[str, str], ...] = tuple(zip(_ROLES, _ROLES, strict=True))
    """Roles and checkpoints by turns: baseline runs/a modified runs/b. Whole generators; what
    needs one that is not given cannot be judged."""
    systems: tuple[Path, ...] = ()
    """Also judge C19 to C21, of other systems: folders with `global`, `unet`, `crn` (runs) and
    `retrieval` (a data base), as `python -m analyses.systems` makes them; for C19 one of each of
    two sizes."""
    data: Path = _DATA
    """Folder of pairs whose test split is used for C10 to C12, C14, C16, C17 and C19 to C21."""
    count: int = 40
    """Pairs."""
    sketches: Path = SKETCHES
    """Folder of the sketch set: tells which sketch is whose base; its edits are painted for C13 and
    C18."""
    edits: Edits = 10
    """At most so many edits of a group are painted, evenly spaced, or all."""
    local: bool = False
    """Ask C13 of edits that stay: outside of them what every layer computed of the base is kept."""
    unchanged: tuple[str, ...] | None = None
    """Groups whose sketches are all the same around the point; the study's unless given."""
    changed: tuple[str, ...] | None = None
    """Groups whose sketches differ around the point."""
    merge: tuple[str, ...] | None = None
    """Unchanged groups that are the same around the point among each other too: G11=G8 G10=G9."""
    shallow: tuple[str, ...] | None = None
    """Layers before the first normalisation of the modified network, in order."""
    deep: tuple[str, ...] | None = None
    """Layers behind it, in order."""
    permutations: int = 9999
    """Permutations of each test."""
    seed: int = 0
    """Of the permutations, of which pairs are taken and how they are moved."""
    threads: int | None = None
    """CPU threads; all cores unless given."""
    out: UseAppendAction[tuple[Path, ...]] = ()
    """A file to write: .json for everything, definitions and provenance included, .md for the
    table. Give it again for both."""

    def run(self) -> None:
        """Judge, print, write."""
        from featviz.analysis.claims.claim import write_claims
        from featviz.analysis.claims.judging import judge
        from featviz.analysis.claims.table import markdown_table, print_claims
        from featviz.base.feature_table import read_features
        from featviz.base.files import atomic_write, require_ending

        for path in self.out:
            require_ending(path, "claims", (".json", ".md"))
        if not (
            self.features
            or self.baseline
            or self.modified
            or self.crossed
            or self.images
            or self.systems
        ):
            raise FeatvizError(
                "claims takes feature tables, --images, --systems, or several; given none "
                "(`featviz extract paper-baseline paper-modified` writes tables)"
            )
        if self.local and not self.images:
            raise FeatvizError("--local asks C13 of other images; give it with --images")
        if self.permutations < 1:
            raise FeatvizError(f"expected at least 1 permutation; got {self.permutations}")
        study = self._study()
        tables = self._tables()
        self._require_known(tables)
        # The systems first: they take less time than the images, and refuse what does not fit.
        of_systems, told = self._measure_systems() if self.systems else (None, None)
        findings, metadata = self._measure(study) if self.images else (None, None)
        claims = judge(
            tables,
            study,
            bases=self._bases(tables),
            crossed=self._at_point(read_features(self.crossed)) if self.crossed else None,
            images=findings,
            images_metadata=metadata,
            systems=of_systems,
            systems_metadata=told,
            permutations=self.permutations,
            seed=self.seed,
        )
        print_claims(claims)
        for path in self.out:
            if path.suffix.lower() == ".json":
                write_claims(claims, path)
            else:
                with atomic_write(path) as temporary:
                    temporary.write_text(markdown_table(claims), encoding="utf-8")
            say(path)

    def _study(self) -> "Study":
        from dataclasses import replace

        from featviz.analysis.claims.study import STUDY
        from featviz.analysis.separation.groups import parse_merge

        given = {
            name: getattr(self, name)
            for name in ("unchanged", "changed", "shallow", "deep")
            if getattr(self, name) is not None
        }
        if self.merge is not None:
            units: dict[str, list[str]] = {}
            for source, target in parse_merge(self.merge).items():
                units.setdefault(target, [target]).append(source)
            given["together"] = tuple(map(tuple, units.values()))
        elif self.unchanged is not None:
            given["together"] = ()
        return replace(STUDY, **given)

    def _tables(self) -> "dict[str, FeatureTable]":
        from featviz.analysis.claims.judging import assign_roles
        from featviz.base.feature_table import read_features

        roles = assign_roles([self._at_point(read_features(path)) for path in self.features])
        for role, path in (("baseline", self.baseline), ("modified", self.modified)):
            if path is None:
                continue
            if role in roles:
                raise FeatvizError(f"two feature tables of {role}: --{role} {path} and another")
            roles[role] = self._at_point(read_features(path))
        return roles

    def _require_known(self, tables: "dict[str, FeatureTable]") -> None:
        """Refuse groups and layers that were asked for and that a table lacks."""
        from featviz.base.ordering import natural_key

        for role, table in tables.items():
            groups = sorted(table.groups, key=natural_key)
            for options, kind, there in (
                (("unchanged", "changed"), "group", groups),
                (("shallow", "deep"), "layer", list(table.layers)),
            ):
                for option in options:
                    for name in getattr(self, option) or ():
                        if name not in there:
                            raise FeatvizError(
                                f"--{option}: there is no {kind} '{name}' in the feature table of "
                                f"{role}; there are {', '.join(there)}"
                            )

    def _at_point(self, table: "FeatureTable") -> "FeatureTable":
        return table if self.point is None else table.select(points=[self.point])

    def _bases(self, tables: "dict[str, FeatureTable]") -> dict[str, str] | None:
        """The base of each sketch, if the sketch set is there and is that of the tables."""
        if not self.sketches.exists():
            if self.sketches != SKETCHES:
                raise FeatvizError(f"{self.sketches}: no such folder of sketches")
            return None
        index = self._read_sketches().index
        bases = dict(zip(index["sketch"], index["base"], strict=True))
        known = [set(table.rows["sketch"]) <= set(bases) for table in tables.values()]
        return bases if all(known) and any(bases.values()) else None

    def _read_sketches(self) -> "SketchSet":
        from featviz.sketches.sketch_set import read_sketches

        return read_sketches(self.sketches)

    def _measure(self, study: "Study") -> "tuple[Findings, dict[str, object]]":
        from featviz.analysis.claims.image_claims import image_findings
        from featviz.analysis.claims.image_measures import ImageSettings, measure_images
        from featviz.faces.pairs import read_pairs

        use_threads(self.threads)
        generators = dict(self.generators)
        if len(generators) < len(self.generators):
            raise FeatvizError("a role is given two generators with --generators")
        settings = ImageSettings(
            count=self.count, edits=most_edits(self.edits), seed=self.seed, local=self.local
        )
        has_pairs = self.data != _DATA or (_DATA / "landmarks.parquet").is_file()
        pairs = read_pairs(self.data) if has_pairs else "no pairs: --data FOLDER"
        sketches = (
            self._read_sketches() if self.sketches.exists() else "no sketches: --sketches FOLDER"
        )
        measures = measure_images(generators, settings, pairs, sketches, study)
        for kind, reason in measures.missing.items():
            remark(f"no images of {kind}: {reason}")
        findings = image_findings(measures, self.permutations, self.seed, study)
        return findings, measures.metadata

    def _measure_systems(self) -> "tuple[Findings, dict[str, object]]":
        from featviz.analysis.claims.system_claims import system_findings
        from featviz.analysis.claims.system_measures import measure_systems
        from featviz.faces.pairs import read_pairs

        use_threads(self.threads)
        measures = measure_systems(self.systems, read_pairs(self.data), self.count, self.seed)
        for reason in measures.missing.values():
            remark(reason)
        findings = system_findings(measures, self.permutations, self.seed)
        return findings, measures.metadata
