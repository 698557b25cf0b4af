"""Claims as text: a table for the terminal, and one in Markdown for documents."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from featviz.analysis.claims.claim import Claim, ClaimPart, Claims
from featviz.analysis.claims.judging import claim_number
from featviz.analysis.claims.paired_tests import OVER_BASES
from featviz.base.errors import printable

if TYPE_CHECKING:
    from rich.padding import Padding

_COLUMNS = ("claim", "part", "statistic", "bounds", "threshold", "effect", "p", "verdict")

_NUMBERS = {"statistic", "threshold", "p"}
_WIDTHS = {"part": 20, "statistic": 9, "bounds": 15, "threshold": 9, "p": 7, "verdict": 15}
_INDENT = 2
_GAPS = _INDENT + 2 * (len(_COLUMNS) - 2)
_COLORS = {"holds": "green", "does not hold": "red", "cannot be judged": "yellow"}


def print_claims(claims: Claims) -> None:
    """Print every claim with its parts: statistic, threshold, effect, p, verdict."""
    from rich.console import Console
    from rich.markup import escape

    console = Console(highlight=False)
    # A pipe tells no width, and its lines are for other programs to break.
    piped = not console.is_terminal
    if piped:
        console = Console(highlight=False, width=110)
    effect_width = max(min(console.width, 110) - sum(_WIDTHS.values()) - _GAPS, 12)

    def say(line: str) -> None:
        console.print(printable(line), soft_wrap=piped)

    console.print(_grid([list(_COLUMNS[1:])], effect_width, style="dim"))
    for claim in claims.claims:
        verdict = f"[bold {_COLORS[claim.verdict]}]{claim.verdict}[/]"
        say(f"[bold]{claim.name}[/] {verdict}{escape(_scope(claim))}: {escape(claim.says)}")
        reasons = {part.finding.missing for part in claim.parts}
        if len(reasons) == 1 and (reason := reasons.pop()):
            say(f"  [dim]{escape(reason)}[/]")
        else:
            console.print(_grid([_colored(part) for part in claim.parts], effect_width))
            for part in claim.parts:
                if part.finding.missing:
                    say(f"  [dim]{escape(f'{part.definition.part}: {part.finding.missing}')}[/]")
    console.print()
    for line in _remarks(claims):
        say(escape(line))


def _scope(claim: Claim) -> str:
    """What a verdict does not go beyond, in brackets; where there is none, nothing."""
    judged = claim.verdict != "cannot be judged"
    return f" ({claim.scope})" if judged and claim.scope else ""


def _grid(rows: list[list[str]], effect_width: int, style: str = "") -> "Padding":
    """Rows in columns that are the same for all claims, indented."""
    from rich.padding import Padding
    from rich.table import Table

    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    for name in _COLUMNS[1:]:
        justify: Literal["left", "right"] = "right" if name in _NUMBERS else "left"
        width = effect_width if name == "effect" else _WIDTHS[name]
        table.add_column(justify=justify, width=width, style=style)
    for row in rows:
        table.add_row(*row)
    return Padding(table, (0, 0, 0, _INDENT))


def _colored(part: ClaimPart) -> list[str]:
    *cells, verdict = map(str, _cells(part))
    return [*cells, f"[{_COLORS[part.verdict]}]{verdict}[/]"]


def markdown_table(claims: Claims) -> str:
    """The claims as a Markdown table, a row a part, and what they were judged on."""
    lines = [
        f"| {' | '.join(_COLUMNS)} |",
        "|---|---|--:|---|--:|---|--:|---|",
    ]
    for claim in claims.claims:
        verdict = f"**{claim.verdict}**{_scope(claim)}"
        lines.append(f"| **{claim.name}** | *{claim.says}* | | | | | | {verdict} |")
        for part in claim.parts:
            missing = f": {part.finding.missing}" if part.finding.missing else ""
            lines.append(f"| | {' | '.join(_cells(part))}{missing} |")
    return "\n".join([*lines, "", *(f"- {line}" for line in _remarks(claims)), ""])


def _cells(part: ClaimPart) -> list[str]:
    definition, finding = part.definition, part.finding
    name = definition.part if definition.decides else f"({definition.part})"
    asked = f"{'>=' if definition.bound == 'at least' else '<='} {definition.threshold:g}"
    if finding.value is None:
        return [name, "-", "-", asked, "-", "-", part.verdict]
    effect = "-"
    if finding.effect is not None:
        effect = f"{claim_number(finding.effect)} {finding.effect_name}"
    p = part.p_adjusted if definition.decides else finding.p_value
    bounds = "-"
    if finding.low is not None and finding.high is not None:
        bounds = f"{claim_number(finding.low)} to {claim_number(finding.high)}"
    number = "-" if p is None else f"{p:.2g}"
    return [name, claim_number(finding.value), bounds, asked, effect, number, part.verdict]


def _remarks(claims: Claims) -> Iterator[str]:
    metadata = claims.metadata
    *most, last = (f"{count} claims of {kind}" for kind, count in metadata["tests"].items())
    counts = f"{', '.join(most)} and {last}" if most else last
    yield (
        f"p: after {metadata['correction']}'s correction over {counts} that have a test, those "
        f"not judged among them; a claim's p is the largest of its parts, of at most "
        f"{metadata['permutations']} permutations each (seed {metadata['seed']}), and a claim "
        f"holds at p <= {metadata['alpha']:g} only. Parts in brackets do not decide; their p is "
        "not corrected."
    )
    yield (
        f"bounds: jackknife, {metadata['confidence']:.0%} each; a part whose statistic misses the "
        "threshold does not hold if the bound on that side misses it too, and else cannot be "
        "judged. Without bounds nothing is sampled."
    )
    over_bases = [
        f"{claim.name} {part.definition.part} {p:.2g}"
        for claim in claims.claims
        for part in claim.parts
        if (p := part.finding.details.get(OVER_BASES)) is not None
    ]
    if over_bases:
        yield (
            "These parts are about further edits of these faces only. Where the networks change "
            "places face by face, as evidence for other faces must, p is, not corrected: "
            f"{', '.join(over_bases)}"
        )
    if bases := metadata.get("bases"):
        yield f"bases of edits: {bases}"
    for role, facts in metadata["tables"].items():
        yield f"{role}: {_source(facts)}, {facts['rows']} vectors a layer"
    if images := metadata.get("images"):
        for role, facts in images["generators"].items():
            yield f"images of {role}: {_source({'checkpoint': facts['source'], **facts})}"
        yield f"images: {images['pairs'] or 'no'} pairs, {images['edits_a_group']} edits a group"
        yield from images.get("skipped_edits", ())
    if systems := metadata.get("systems"):
        for name, facts in systems["systems"].items():
            yield f"{name}: {_source({'checkpoint': facts['source'], **facts})}"
        yield f"systems: {systems['pairs']} pairs"


def _source(facts: dict[str, object]) -> str:
    name = str(facts.get("checkpoint") or "a model")
    if digest := facts.get("digest"):
        name += f" ({str(digest)[:12]})"
    if (step := facts.get("step")) is not None:
        name += f", step {step}"
    return name
