"""C13: what an edit changes where it was drawn, elsewhere, and at the eyes."""

import numpy as np

from featviz.analysis.claims.claim import Finding
from featviz.analysis.claims.feature_evidence import NotJudgeableError
from featviz.analysis.claims.image_evidence import Images, p_over_bases, related
from featviz.analysis.claims.paired_tests import paired_test, relative_difference
from featviz.analysis.claims.study import BASELINE, MODIFIED


def edit_strength(images: Images) -> Finding:
    """C13: change inside the edited area, modified against baseline."""
    of = {role: images.edits(role, "inside") for role in (MODIFIED, BASELINE)}
    return related(images, of[MODIFIED], of[BASELINE], of, bases=images.bases())


def change_elsewhere(images: Images) -> Finding:
    """C13: modified's change outside the edited area."""
    outside = images.edits(MODIFIED, "outside")
    return Finding(
        float(outside.mean()),
        float((outside > 1).mean()),
        "share of edits above 1 grey level",
        details={MODIFIED: float(outside.mean()), "edits": len(outside)},
    )


def locality(images: Images) -> Finding:
    """C13: change outside relative to inside, baseline against modified."""
    ratios, means = {}, {}
    for role in (BASELINE, MODIFIED):
        inside, outside = images.edits(role, "inside"), images.edits(role, "outside")
        if (inside == 0).any():
            raise NotJudgeableError(f"an edit changes nothing where it was drawn in {role}")
        ratios[role], means[role] = outside / inside, float(outside.mean() / inside.mean())
    differences = ratios[BASELINE] - ratios[MODIFIED]
    test = paired_test(differences, images.randomness)
    return Finding(
        relative_difference(means[BASELINE], means[MODIFIED]),
        float((differences > 0).mean()),
        "share of edits",
        test.p_value,
        {**means, "edits": len(differences), **p_over_bases(images, differences, images.bases())},
    )


def eyes(images: Images) -> Finding:
    """C13: change at the eyes, baseline against modified."""
    of = {role: images.edits(role, "eyes") for role in (BASELINE, MODIFIED)}
    known = ~np.isnan(of[BASELINE]) & ~np.isnan(of[MODIFIED])
    if not known.any():
        raise NotJudgeableError("no edit leaves eyes that a drawing names unedited")
    of = {role: values[known] for role, values in of.items()}
    bases = images.bases()[known]
    return related(images, of[BASELINE], of[MODIFIED], of, bases=bases)
