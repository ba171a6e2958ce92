"""``norce-pipeline run``: everything on this machine, from webhook to Norce's own APIs, with a proof."""

from pipeline.run.show import Options, show

__all__ = ["Options", "show"]
