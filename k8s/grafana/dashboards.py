"""The Grafana dashboards, as code: python dashboards.py FOLDER writes one JSON file for each."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = '{namespace=~"$namespace"}'
"""What every query is limited to. In Compose there are no namespaces, and the variable is empty."""


@dataclass(frozen=True)
class Panel:
    """One graph or number. ``queries`` are PromQL with their legends; ``@`` stands for the chosen namespace."""

    title: str
    queries: Sequence[tuple[str, str]]
    unit: str = "short"
    kind: str = "timeseries"
    help: str = ""


OVERVIEW = [
    Panel(
        "Webhooks a second, by answer",
        [("sum by (answer) (rate(norce_webhook_requests_total{@}[5m]))", "{{answer}}")],
        "reqps",
    ),
    Panel(
        "Seconds until Norce gives up the oldest refused delivery",
        [("min(norce_webhook_outage_budget_seconds{@})", "left")],
        "s",
        "stat",
        "All 22 hours if nothing is refused.",
    ),
    Panel(
        "Ready", [("sum by (job) (norce_pipeline_ready{@})", "{{job}}")], kind="stat", help="Processes that are ready."
    ),
    Panel("Lag", [("sum by (job) (norce_pipeline_lag{@})", "{{job}}")], help="Records between commit and end."),
    Panel(
        "Events a second, by outcome",
        [("sum by (outcome) (rate(norce_pipeline_events_total{@}[5m]))", "{{outcome}}")],
        "ops",
    ),
    Panel(
        "Updates a second, by target and outcome",
        [("sum by (target, outcome) (rate(norce_pipeline_updates_total{@}[5m]))", "{{target}} {{outcome}}")],
        "ops",
    ),
    Panel(
        "Dead letters in an hour",
        [
            ('sum by (job) (increase(norce_pipeline_events_total{@, outcome=~"dead|poison"}[1h]))', "{{job}} events"),
            ('sum by (job) (increase(norce_pipeline_updates_total{@, outcome="dead"}[1h]))', "{{job}} updates"),
        ],
        kind="stat",
    ),
    Panel(
        "Parked",
        [
            ("sum(norce_pipeline_parked_keys{@})", "keys"),
            ("sum(norce_pipeline_parked_events{@})", "events that wait"),
        ],
        kind="stat",
        help="See norce-pipeline dead-letters list.",
    ),
    Panel(
        "Parked for",
        [("time() - min(norce_pipeline_parked_since_seconds{@} > 0)", "longest")],
        "s",
        "stat",
    ),
    Panel(
        "Quarantined in an hour, by reason",
        [("sum by (reason) (increase(norce_webhook_quarantined_total{@}[1h]))", "{{reason}}")],
        kind="stat",
    ),
    Panel(
        "Waiting in quarantine, by reason",
        [("sum by (reason) (max by (namespace, reason) (norce_quarantine_waiting{@})) > 0", "{{reason}}")],
        kind="stat",
        help="See norce-pipeline quarantine list.",
    ),
    Panel(
        "Until the first body in quarantine is deleted",
        [("min(norce_quarantine_left_seconds{@})", "left")],
        "s",
        "stat",
        "All of the retention if none waits.",
    ),
    Panel(
        "No end in the ledger yet",
        [
            ('sum(norce_pipeline_lag{@, job="worker"})', "events that wait"),
            ("sum(norce_pipeline_parked_events{@})", "events that are parked"),
            ('sum(norce_pipeline_lag{@, job=~"sink-.*"})', "updates that wait"),
            ("sum(norce_pipeline_skipped_offsets{@})", "lost"),
        ],
        help="An offset is committed once its end is in the ledger; norce-pipeline audit compares the ids.",
    ),
]

CONNECTOR = [
    Panel(
        "Requests a second, by event type",
        [("sum by (event_type) (rate(norce_webhook_requests_total{@}[5m]))", "{{event_type}}")],
        "reqps",
    ),
    Panel(
        "Requests a second that were not taken",
        [
            (
                'sum by (answer) (rate(norce_webhook_requests_total{@, answer!~"accepted|quarantined"}[5m]))',
                "{{answer}}",
            )
        ],
        "reqps",
    ),
    Panel(
        "Seconds of a request",
        [
            (f"histogram_quantile({q}, sum by (le) (rate(norce_webhook_request_seconds_bucket{{@}}[5m])))", f"p{name}")
            for q, name in ((0.5, "50"), (0.99, "99"))
        ],
        "s",
        help="Whatever the answer is; those that Norce's slow uploads and refusals take are in here.",
    ),
    Panel(
        "Secrets and certificates changed in a day",
        [("sum by (what, outcome) (increase(norce_webhook_reloads_total{@}[1d]))", "{{what}} {{outcome}}")],
        kind="stat",
    ),
    Panel(
        "Seconds until Kafka acknowledged",
        [
            (f"histogram_quantile({q}, sum by (le) (rate(norce_webhook_produce_seconds_bucket{{@}}[5m])))", f"p{name}")
            for q, name in ((0.5, "50"), (0.99, "99"))
        ],
        "s",
        help="Norce gets a 503 after 3 s and hangs up after 5 s.",
    ),
    Panel(
        "In flight",
        [
            ("sum(norce_webhook_in_flight{@})", "requests"),
            ("sum(norce_webhook_unacknowledged{@})", "records not acknowledged"),
        ],
    ),
    Panel(
        "Not acknowledged a second",
        [("sum by (trouble) (rate(norce_webhook_not_acknowledged_total{@}[5m]))", "{{trouble}}")],
        "ops",
    ),
    Panel(
        "Size of bodies",
        [("histogram_quantile(0.99, sum by (le) (rate(norce_webhook_body_bytes_bucket{@}[5m])))", "p99")],
        "bytes",
    ),
    Panel("Age of the oldest refused delivery", [("max(norce_webhook_oldest_refused_seconds{@})", "age")], "s"),
    Panel("Given up", [("max(norce_webhook_given_up{@})", "given up")], kind="stat", help="1: reconcile."),
    Panel("Producers started in an hour", [("sum(increase(norce_webhook_producers_total{@}[1h]))", "producers")]),
]

PROCESSES = [
    Panel("Lag, by topic", [("sum by (job, topic) (norce_pipeline_lag{@})", "{{job}} {{topic}}")]),
    Panel(
        "Age of the oldest record under way",
        [("max by (job, topic) (norce_pipeline_oldest_seconds{@})", "{{job}} {{topic}}")],
        "s",
    ),
    Panel("Fetched and not finished", [("sum by (job) (norce_pipeline_unfinished{@})", "{{job}}")]),
    Panel(
        "Records sent a second", [("sum by (topic) (rate(norce_pipeline_emitted_total{@}[5m]))", "{{topic}}")], "ops"
    ),
    Panel(
        "Offsets skipped",
        [("sum by (job) (norce_pipeline_skipped_offsets{@})", "{{job}}")],
        kind="stat",
        help="Anything but 0 is lost data.",
    ),
    Panel("Updates pending", [("sum by (target) (norce_pipeline_updates_pending{@})", "{{target}}")]),
    Panel(
        "Calls to Norce a second",
        [("sum by (api, outcome) (rate(norce_client_calls_total{@}[5m]))", "{{api}} {{outcome}}")],
        "ops",
    ),
    Panel(
        "Seconds of a call, p95",
        [
            (
                "histogram_quantile(0.95, sum by (api, le) (rate(norce_client_attempt_seconds_bucket{@}[5m])))",
                "{{api}}",
            )
        ],
        "s",
    ),
    Panel(
        "Repeats a second, by reason",
        [("sum by (api, reason) (rate(norce_client_retries_total{@}[5m]))", "{{api}} {{reason}}")],
        "ops",
    ),
    Panel("Circuit breaker", [("max by (api) (norce_client_breaker_state{@})", "{{api}}")], help="0 closed, 2 open."),
    Panel("Calls in flight", [("sum by (api) (norce_client_in_flight{@})", "{{api}}")]),
    Panel(
        "Tokens asked for in an hour",
        [("sum by (outcome) (increase(norce_client_token_requests_total{@}[1h]))", "{{outcome}}")],
    ),
    Panel(
        "Look-ups a second, by kind and outcome",
        [("sum by (kind, outcome) (rate(norce_pipeline_lookups_total{@}[5m]))", "{{kind}} {{outcome}}")],
        "ops",
    ),
    Panel(
        "Reasons to look up a second",
        [("sum by (kind, outcome) (rate(norce_pipeline_lookup_records_total{@}[5m]))", "{{kind}} {{outcome}}")],
        "ops",
    ),
    Panel("Look-ups waiting", [("sum(norce_pipeline_lookups_waiting{@})", "look-ups")]),
    Panel("Oldest look-up waits", [("max(norce_pipeline_lookups_oldest_seconds{@})", "longest")], "s"),
    Panel(
        "Sweeps in a day",
        [("sum by (outcome) (increase(norce_pipeline_sweeps_total{@}[1d]))", "{{outcome}}")],
        kind="stat",
        help="Of norce-pipeline reconcile --every.",
    ),
    Panel(
        "Since the last complete sweep",
        [("time() - max(norce_pipeline_sweep_last_complete_seconds{@} > 0)", "since")],
        "s",
        "stat",
    ),
    Panel(
        "Events that never came, in a day",
        [("sum by (event_type) (increase(norce_pipeline_reconciled_events_total{@}[1d]))", "{{event_type}}")],
        kind="stat",
    ),
    Panel(
        "Differences that no event can mend",
        [("max by (kind) (norce_pipeline_sweep_differences{@})", "{{kind}}")],
        kind="stat",
    ),
    Panel(
        "Alerts withheld in an hour",
        [("sum by (subject) (increase(norce_pipeline_alerts_withheld_total{@}[1h]))", "{{subject}}")],
    ),
    Panel("Drift reports", [("sum by (event_type) (norce_pipeline_drift_reports{@})", "{{event_type}}")], kind="stat"),
    Panel(
        "Bodies that drifted, share",
        [
            (
                'sum(rate(norce_pipeline_drift_bodies_total{@, outcome="drifted"}[1h]))'
                " / sum(rate(norce_pipeline_drift_bodies_total{@}[1h]))",
                "drifted",
            )
        ],
        "percentunit",
    ),
    Panel(
        "Deviations seen a second, by kind",
        [("sum by (kind) (rate(norce_pipeline_drift_deviations_total{@}[5m]))", "{{kind}}")],
        "ops",
    ),
    Panel(
        "Requests to forget in a day",
        [("sum by (outcome) (increase(norce_pipeline_privacy_requests_total{@}[1d]))", "{{outcome}}")],
        kind="stat",
    ),
    Panel(
        "Personal data sealed a second",
        [("sum by (outcome) (rate(norce_pipeline_privacy_events_total{@}[5m]))", "{{outcome}}")],
        "ops",
    ),
    Panel(
        "Console: requests a second, by status",
        [("sum by (status) (rate(norce_console_requests_total{@}[5m]))", "{{status}}")],
        "ops",
    ),
    Panel(
        "Console: seconds of a request, p95",
        [
            (
                "histogram_quantile(0.95, sum by (route, le) (rate(norce_console_request_seconds_bucket{@}[5m])))",
                "{{route}}",
            )
        ],
        "s",
    ),
    Panel(
        "Console: what people did in a day",
        [("sum by (action) (increase(norce_console_actions_total{@}[1d]))", "{{action}}")],
        kind="stat",
    ),
    Panel("Keys destroyed", [("sum(norce_pipeline_privacy_forgotten_total{@})", "keys")], kind="stat"),
]

DASHBOARDS = {
    "overview": ("Norce pipeline", OVERVIEW),
    "connector": ("Norce pipeline: webhook connector", CONNECTOR),
    "processes": ("Norce pipeline: the processes behind Kafka", PROCESSES),
}


def dashboard(name: str) -> dict[str, Any]:
    """The JSON model of one dashboard."""
    title, panels = DASHBOARDS[name]
    return {
        "uid": f"norce-{name}",
        "title": title,
        "tags": ["norce-pipeline"],
        "schemaVersion": 39,
        "editable": False,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "templating": {"list": [_SOURCE, _NAMESPACE]},
        "panels": [_panel(number, panel) for number, panel in enumerate(panels)],
    }


_SOURCE = {"name": "source", "type": "datasource", "query": "prometheus", "label": "Prometheus"}
_NAMESPACE = {
    "name": "namespace",
    "type": "query",
    "label": "Namespace",
    "datasource": {"type": "prometheus", "uid": "${source}"},
    "query": {"query": "label_values(norce_webhook_in_flight, namespace)", "refId": "namespace"},
    "refresh": 2,
    "includeAll": True,
    "allValue": ".*",
    "current": {"text": "All", "value": "$__all"},
}


def _panel(number: int, panel: Panel) -> dict[str, Any]:
    source = {"type": "prometheus", "uid": "${source}"}
    shown: dict[str, Any] = {
        "id": number + 1,
        "type": panel.kind,
        "title": panel.title,
        "datasource": source,
        "gridPos": {"h": 8, "w": 12, "x": 12 * (number % 2), "y": 8 * (number // 2)},
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": [
            {
                "refId": chr(ord("A") + index),
                "datasource": source,
                "expr": expression.replace("@", HERE[1:-1]),
                "legendFormat": legend,
            }
            for index, (expression, legend) in enumerate(panel.queries)
        ],
    }
    if panel.help:
        shown["description"] = panel.help
    return shown


def write(folder: Path) -> None:
    """Write all dashboards."""
    for name in DASHBOARDS:
        (folder / f"{name}.json").write_text(json.dumps(dashboard(name), indent=1) + "\n")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
