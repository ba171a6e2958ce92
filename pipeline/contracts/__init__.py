"""The contracts of the public topics, made from the code: AsyncAPI 3, JSON Schema, a changelog, and what may change."""

from pipeline.contracts.bindings import CATALOGUE, UnboundTopic, messages
from pipeline.contracts.changes import Change, Effect, changes, schema_changes
from pipeline.contracts.documents import Documents, Topic, documents, read, read_topics
from pipeline.contracts.publishing import CHANGELOG, PUBLISHED, BreakingChange, Comparison, compare, publish

__all__ = [
    "CATALOGUE",
    "CHANGELOG",
    "PUBLISHED",
    "BreakingChange",
    "Change",
    "Comparison",
    "Documents",
    "Effect",
    "Topic",
    "UnboundTopic",
    "changes",
    "compare",
    "documents",
    "messages",
    "publish",
    "read",
    "read_topics",
    "schema_changes",
]
