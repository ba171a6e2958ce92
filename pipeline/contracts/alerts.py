"""The catalogue of alerts, in the words of the contract."""

from __future__ import annotations

from pipeline.domain import CATALOGUE


def alert_kinds() -> str:
    """A list of all kinds: what each is about, when it opens and closes, and what its details say."""
    lines = ["Kinds of alerts:", ""]
    for kind, spec in CATALOGUE.items():
        details = "; ".join(f"{name}: {meaning}" for name, meaning in spec.details.items())
        lines.append(
            f"- `{kind}` ({spec.severity}, {spec.subject}) opens when {spec.opens}. It closes when {spec.closes}."
            + (f" Item: {spec.item}." if spec.item else "")
            + (f" Details: {details}." if details else "")
        )
    return "\n".join(lines)
