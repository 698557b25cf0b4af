"""The parts of the page that are plain HTML: claims, leakage, provenance, and what is missing."""

from html import escape

from featviz.analysis.claims import Claim, Claims, Finding
from featviz.report.contents import Contents, PanelRow, ReportedLeakage

_VERDICT_CLASS = {"holds": "good", "does not hold": "bad", "cannot be judged": "open"}
_PLURAL = {"holds": "hold", "does not hold": "do not hold", "cannot be judged": "cannot be judged"}
_VERDICT_SIGN = {"holds": "✓", "does not hold": "✗", "cannot be judged": "?"}


def note(text: str | None) -> str:
    """A remark in place of what is missing; commands in backticks become code."""
    if not text:
        return ""
    pieces = text.split("`")
    told = "".join(
        f"<code>{escape(piece)}</code>" if i % 2 else escape(piece)
        for i, piece in enumerate(pieces)
    )
    return f'<p class="note">{told}</p>'


def claims_head(claims: Claims | None) -> str:
    """How many claims hold."""
    if claims is None:
        return ""
    counts = {
        verdict: sum(claim.verdict == verdict for claim in claims.claims)
        for verdict in _VERDICT_CLASS
    }
    told = ", ".join(
        f"{count} {verdict if count == 1 else _PLURAL[verdict]}"
        for verdict, count in counts.items()
        if count
    )
    return (
        f'<p class="faint">{escape(told)}. Thresholds were fixed before the features were seen; '
        "open a row for what was measured.</p>"
    )


def claims_table(claims: Claims | None) -> str:
    """The claims, each with its verdict and, folded, its parts; "" if there are none."""
    if claims is None:
        return ""
    return f'<ul class="claims">{"".join(map(_claim, claims.claims))}</ul>'


def _claim(claim: Claim) -> str:
    kind = _VERDICT_CLASS[claim.verdict]
    rows = "".join(
        "<tr>"
        f'<th scope="row">{escape(part.definition.part)}'
        f"{'' if part.definition.decides else ' <small>(told beside)</small>'}"
        f"<small>{escape(part.definition.says)}</small></th>"
        f'<td data-name="Statistic"><span>{escape(part.definition.statistic)}</span></td>'
        f'<td data-name="Measured" class="number"><span>{_number(part.finding.value)}'
        f"{_bounds(part.finding)}</span></td>"
        f'<td data-name="Needed" class="number">{escape(part.definition.bound)} '
        f"{_number(part.definition.threshold)}</td>"
        f'<td data-name="p, corrected" class="number">{_number(part.p_adjusted)}</td>'
        f'<td data-name="Verdict"><span>{escape(part.verdict)}'
        f"<small>{escape(part.why)}</small></span></td>"
        "</tr>"
        for part in claim.parts
    )
    table = (
        '<div class="wide"><table><thead><tr>'
        '<th scope="col">Part</th><th scope="col">Statistic</th><th scope="col">Measured</th>'
        '<th scope="col">Needed</th><th scope="col">p, corrected</th><th scope="col">Verdict</th>'
        f"</tr></thead><tbody>{rows}</tbody></table></div>"
    )
    return (
        '<li><details class="claim"><summary>'
        f'<span class="claim-name">{escape(claim.name)}</span>'
        f'<span class="claim-says">{escape(claim.says)}</span>'
        f'<span class="verdict {kind}"><span aria-hidden="true">{_VERDICT_SIGN[claim.verdict]}'
        f"</span> {escape(claim.verdict)}{_scope(claim)}</span></summary>"
        f"<p>{escape(claim.why)}</p>{table if rows else ''}</details></li>"
    )


def _scope(claim: Claim) -> str:
    """What a verdict does not go beyond, such as these faces; nothing where there is none."""
    judged = claim.verdict != "cannot be judged"
    return f"<small>{escape(claim.scope)}</small>" if judged and claim.scope else ""


def _bounds(finding: Finding) -> str:
    """The confidence bounds below a statistic that has some."""
    if finding.low is None or finding.high is None:
        return ""
    return f"<small>{_number(finding.low)} to {_number(finding.high)}</small>"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}"


def about(contents: Contents) -> str:
    """Where the numbers come from, and how to make the page again."""
    rows = "".join(map(_provenance, contents.rows))
    command = (
        f"<p>Made by</p><pre><code>{escape(contents.command)}</code></pre>"
        if contents.command
        else ""
    )
    by_bokeh = " The maps are drawn by Bokeh (BSD licence), which it carries."
    drawn = "" if contents.is_large else by_bokeh
    return (
        '<div class="wide"><table class="provenance"><thead><tr>'
        '<th scope="col">Checkpoint</th><th scope="col">Variant</th><th scope="col">Step</th>'
        '<th scope="col">Digest</th><th scope="col">Point</th><th scope="col">Stage</th>'
        '<th scope="col">Engine</th><th scope="col">Sketches</th>'
        f"</tr></thead><tbody>{rows}</tbody></table></div>{command}"
        f"<p>This file is complete: it loads nothing and sends nothing.{drawn} A map is for "
        "looking; distances, claims and leakage are measured on the vectors.</p>"
    )


def _provenance(row: PanelRow) -> str:
    metadata = row.metadata
    architecture = metadata.get("architecture")
    norm = architecture.get("norm") if isinstance(architecture, dict) else None
    cells = (
        ", ".join(filter(None, (metadata.get("variant"), norm if norm != "instance" else None))),
        metadata.get("step"),
        str(metadata.get("digest") or "")[:12],
        f"({row.point[0]}, {row.point[1]})",
        metadata.get("stage"),
        metadata.get("engine"),
        metadata.get("sketches"),
    )
    told = "".join(
        f"<td>{escape(str(cell)) if cell not in (None, '') else '–'}</td>" for cell in cells
    )
    return f'<tr><th scope="row">{escape(row.checkpoint)}</th>{told}</tr>'


def leakage_head(leakage: ReportedLeakage | None) -> str:
    """What leakage maps show; "" if there are none."""
    if leakage is None:
        return ""
    return (
        '<p class="faint">Where the edits of a group changed a layer, averaged over its edits; '
        "empty where nothing changed, to the last bit. A change of 1 is as large as a typical "
        "vector of the layer, in the image from black to white. Inside the outline an edit can "
        "arrive by convolutions; outside it came through normalisation. A map that is all in reach "
        "has no outline, and does not tell the two apart.</p>"
    )


def leakage_frame(leakage: ReportedLeakage | None) -> str:
    """The controls and the places of leakage maps; "" if there are none."""
    if leakage is None:
        return ""
    return (
        '<div class="controls"><label class="slider"><span>Layer</span>'
        '<input type="range" id="leak-layer" min="0" step="1" value="0">'
        '<output id="leak-name" for="leak-layer"></output></label>'
        '<fieldset class="segments" id="leak-modes"><legend>Statistics</legend></fieldset></div>'
        '<div id="leak-scale" class="scale"></div><div id="leaks"></div>'
    )
