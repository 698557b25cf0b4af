"""Claims as text: a table for the terminal, and one in Markdown for documents."""

from collections.abc import Iterator

from featviz.claims.claim import Claim, Claims, Part
from featviz.claims.judging import number

COLUMNS = ("claim", "part", "statistic", "asked for", "effect", "p", "verdict")

_COLORS = {"holds": "green", "does not hold": "red", "cannot be judged": "yellow"}


def print_claims(claims: Claims) -> None:
    """Print every claim with its parts: statistic, threshold, effect, p, verdict."""
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    if not console.is_terminal:
        # A pipe tells no width; lines are not to be cut there.
        console = Console(highlight=False, width=110)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=True)
    for name in COLUMNS:
        right = name in {"statistic", "asked for", "p"}
        table.add_column(name, justify="right" if right else "left", no_wrap=right)
    for claim in claims.claims:
        color = _COLORS[claim.verdict]
        table.add_row(
            f"[bold]{claim.name}[/]", "", "", "", "", "", f"[bold {color}]{claim.verdict}[/]"
        )
        for part in claim.parts:
            cells = _cells(part)
            cells[-1] = f"[{_COLORS[part.verdict]}]{cells[-1]}[/]"
            table.add_row("", *cells)
    for claim in claims.claims:
        console.print(f"[bold]{claim.name}[/] {claim.says}", soft_wrap=True)
    console.print()
    console.print(table)
    console.print()
    for line in _remarks(claims):
        console.print(line, soft_wrap=True)


def markdown_table(claims: Claims) -> str:
    """The claims as a Markdown table, a row a part, and what they were judged on."""
    lines = [
        f"| {' | '.join(COLUMNS)} |",
        "|---|---|--:|--:|---|--:|---|",
    ]
    for claim in claims.claims:
        lines.append(f"| **{claim.name}** | | | | | | **{claim.verdict}** |")
        lines += [f"| | {' | '.join(_cells(part))} |" for part in claim.parts]
    return "\n".join([*lines, "", *(f"- {line}" for line in _remarks(claims)), ""])


def _cells(part: Part) -> list[str]:
    definition, finding = part.definition, part.finding
    name = definition.part if definition.decides else f"({definition.part})"
    asked = f"{'>=' if definition.bound == 'at least' else '<='} {definition.threshold:g}"
    if finding.value is None:
        return [name, "-", asked, "-", "-", f"{part.verdict}: {finding.missing}"]
    effect = "-"
    if finding.effect is not None:
        effect = f"{number(finding.effect)} {finding.effect_name}"
    p = "-" if part.p_adjusted is None else f"{part.p_adjusted:.2g}"
    verdict: str = part.verdict
    if verdict == "cannot be judged":
        verdict += ": not told from chance"
    return [name, number(finding.value), asked, effect, p, verdict]


def _remarks(claims: Claims) -> Iterator[str]:
    metadata = claims.metadata
    yield (
        f"p: after {metadata['correction']}'s correction over {metadata['tests']} tests, of at "
        f"most {metadata['permutations']} permutations each (seed {metadata['seed']}); a part "
        f"with a test holds at p <= {metadata['alpha']:g} only. Parts in brackets do not decide."
    )
    for role, facts in metadata["tables"].items():
        yield f"{role}: {_source(facts)}, {facts['rows']} vectors a layer"
    if images := metadata.get("images"):
        for role, facts in images["generators"].items():
            yield f"images of {role}: {_source({'checkpoint': facts['source'], **facts})}"
        yield f"images: {images['pairs'] or 'no'} pairs, {images['edits_a_group']} edits a group"


def _source(facts: dict[str, object]) -> str:
    name = str(facts.get("checkpoint") or "a model")
    if digest := facts.get("digest"):
        name += f" ({str(digest)[:12]})"
    if (step := facts.get("step")) is not None:
        name += f", step {step}"
    return name


def verdict_line(claim: Claim) -> str:
    """One claim as a line: its name, the verdict, and why."""
    return f"{claim.name} {claim.verdict}: {claim.why}"
