"""The few shapes that the pictures of the documentation are made of, as SVG that is the same every time.

Colours follow the reader's light or dark scheme. A font's widths are not known here, so boxes are given their widths.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from xml.sax.saxutils import escape

STYLE = """
  svg { font: 13px system-ui, sans-serif; background: #fff }
  text { fill: #1c2530 } .faint { fill: #5b6875 } .small { font-size: 11px }
  .process { fill: #dbe9fb; stroke: #3b6fb0 } .topic { fill: #fdf1d3; stroke: #b5892a }
  .outside { fill: #eceff2; stroke: #7b8794 }
  .line { stroke: #6b7885; fill: none; stroke-width: 1.3 } .head { fill: #6b7885 } .rule { stroke: #dde2e7 }
  .dot, .ring { stroke: #3b6fb0; stroke-width: 2 } .dot { fill: #3b6fb0 } .ring { fill: #fff }
  @media (prefers-color-scheme: dark) {
    svg { background: #14191f } text { fill: #e4e9ee } .faint { fill: #9aa7b4 }
    .process { fill: #1d3553; stroke: #6ea3e6 } .topic { fill: #43360f; stroke: #d3a845 }
    .outside { fill: #2a323b; stroke: #8a97a4 }
    .line { stroke: #93a0ad } .head { fill: #93a0ad } .rule { stroke: #2c353f }
    .dot, .ring { stroke: #6ea3e6 } .dot { fill: #6ea3e6 } .ring { fill: #14191f }
  }
"""
HEIGHT = 34
"""Of a box, in pixels, like every other length."""


@dataclass(frozen=True, slots=True)
class Box:
    """A labelled box, by its left edge and its middle."""

    label: str
    kind: str
    """process, topic or outside: what it is drawn as."""
    x: float
    y: float
    width: float

    @property
    def right(self) -> float:
        return self.x + self.width


@dataclass(slots=True)
class Picture:
    """A picture that grows shape by shape."""

    title: str
    """What it shows, for those who do not see it."""
    width: float
    height: float
    shapes: list[str] = field(default_factory=list)

    def box(self, box: Box) -> None:
        corner = 4 if box.kind == "topic" else 15
        self.shapes.append(
            f'<rect class="{box.kind}" x="{box.x:g}" y="{box.y - HEIGHT / 2:g}" width="{box.width:g}" '
            f'height="{HEIGHT}" rx="{corner}"/>'
        )
        self.text(box.x + box.width / 2, box.y, box.label, anchor="middle")

    def text(self, x: float, y: float, text: str, *, anchor: str = "start", style: str = "", turn: float = 0) -> None:
        turned = f' transform="rotate({turn:g} {x:g} {y:g})"' if turn else ""
        classed = f' class="{style}"' if style else ""
        self.shapes.append(
            f'<text x="{x:g}" y="{y:g}" dy="0.35em" text-anchor="{anchor}"{classed}{turned}>{escape(text)}</text>'
        )

    def arrow(self, source: Box, target: Box) -> None:
        """From the side of the source that faces the target, as a curve; a little lower where it leads back."""
        onwards = source.right <= target.x
        start, end = (source.right, target.x) if onwards else (source.x, target.right)
        sign, lower = (1, 0) if onwards else (-1, 9)
        top, bottom = source.y + lower, target.y + lower
        tip = end - sign * 7
        bend = sign * min(45.0, abs(tip - start) / 2)
        self.shapes.append(
            f'<path class="line" d="M{start:g} {top:g} C{start + bend:g} {top:g} {tip - bend:g} {bottom:g} '
            f'{tip:g} {bottom:g}"/>'
        )
        self.shapes.append(
            f'<path class="head" d="M{end:g} {bottom:g} L{tip:g} {bottom - 4:g} L{tip:g} {bottom + 4:g} Z"/>'
        )

    def line(self, x1: float, y1: float, x2: float, y2: float) -> None:
        self.shapes.append(f'<line class="rule" x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}"/>')

    def mark(self, x: float, y: float, style: str, radius: float) -> None:
        """A dot or a ring."""
        self.shapes.append(f'<circle class="{style}" cx="{x:g}" cy="{y:g}" r="{radius:g}"/>')

    def svg(self) -> str:
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width:g} {self.height:g}" '
            f'width="{self.width:g}" height="{self.height:g}" role="img">'
        )
        parts = [head, f"<title>{escape(self.title)}</title>", f"<style>{STYLE}</style>", *self.shapes, "</svg>"]
        return "\n".join(parts) + "\n"
