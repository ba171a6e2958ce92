"""Alerts and dashboards ask for metrics that exist, and every alert says what to do."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

from pipeline import metrics_catalogue
from tests.k8s.rendered import ROOT, SETTINGS, Overlay

PROMETHEUS, GRAFANA, RUNBOOKS = ROOT / "k8s/prometheus", ROOT / "k8s/grafana", ROOT / "docs/runbooks"
RULES = sorted(PROMETHEUS.glob("*.rules.yml"))
SERIES = {
    series: {*metric.labels, "namespace", "job", "instance"}
    for metric in metrics_catalogue.catalogue()
    for series in metric.series
}
"""Every time series with its labels, those included that Prometheus adds."""
BY_PROMETHEUS = {name: {"namespace", "job", "instance"} for name in ("up", "process_start_time_seconds")}
"""What Prometheus itself and its client add for every process."""
BY_KUBE_STATE_METRICS = {
    f"kube_cronjob_{name}": {"namespace", "cronjob"} for name in ("created", "status_last_successful_time")
}


def alerts() -> list[Any]:
    return [rule for path in RULES for group in yaml.safe_load(path.read_text())["groups"] for rule in group["rules"]]


def dashboards() -> dict[str, Any]:
    return {path.stem: json.loads(path.read_text()) for path in (GRAFANA / "dashboards").glob("*.json")}


def queries() -> dict[str, str]:
    """Every query by where it is."""
    found = {f"alert {alert['alert']}": alert["expr"] for alert in alerts()}
    for name, dashboard in dashboards().items():
        for panel in dashboard["panels"]:
            for target in panel["targets"]:
                found[f"{name}: {panel['title']}, {target['refId']}"] = target["expr"]
    return found


def parts(node: Any) -> Iterator[Any]:
    """An expression and everything in it."""
    yield node
    for name in ("lhs", "rhs", "expr", "args", "param", "vector_selector"):
        inner = getattr(node, name, None)
        for one in inner if isinstance(inner, list) else [inner]:
            if one is not None:
                yield from parts(one)


def said(script: Path, *arguments: Path) -> str:
    """What a script prints."""
    return subprocess.run([sys.executable, script, *arguments], check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize("where", queries())
def test_a_query_asks_for_series_and_labels_that_exist(where: str) -> None:
    known = {**SERIES, **BY_PROMETHEUS, **BY_KUBE_STATE_METRICS}
    expression = queries()[where].replace("$namespace", ".*")
    found = list(parts(promql_parser.parse(expression)))
    selectors = [node for node in found if isinstance(node, promql_parser.VectorSelector)]
    grouped = {
        label
        for node in found
        if isinstance(node, promql_parser.AggregateExpr) and node.modifier is not None
        for label in node.modifier.labels
    }

    assert selectors
    for selector in selectors:
        assert selector.name is not None
        assert selector.name in known
        assert {matcher.name for matcher in selector.matchers.matchers} <= known[selector.name]
    assert grouped <= set().union(*(known[selector.name or ""] for selector in selectors))


def test_alerts_on_down_processes_know_every_process() -> None:
    for name in ("NorceProcessDown", "NorceProcessGone", "NorceProcessRestarts"):
        (alert,) = (alert for alert in alerts() if alert["alert"] == name)
        watched = re.findall(r'job=~"([^"]+)"', alert["expr"])

        assert {frozenset(jobs.split("|")) for jobs in watched} == {frozenset(SETTINGS)}, name


def test_alerts_on_jobs_know_what_runs_by_itself(overlay: Overlay) -> None:
    """kube-state-metrics is no part of the pipeline, so its series are asked for by one rule file alone."""
    rules = [path for path in RULES if "kube_" in path.read_text()]
    runs = {name for name, job in overlay.of("CronJob").items() if not job["spec"].get("suspend", False)}

    assert [path.name for path in rules] == ["kubernetes.rules.yml"]
    assert set(re.findall(r'cronjob="([^"]+)"', rules[0].read_text())) == runs


def test_every_alert_has_a_page_and_every_page_an_alert() -> None:
    named = {alert["alert"]: alert["annotations"]["runbook"] for alert in alerts()}

    assert named == {name: f"docs/runbooks/{name}.md" for name in named}
    assert {path.stem for path in RUNBOOKS.glob("*.md")} == set(named)
    for name in named:
        text = (RUNBOOKS / f"{name}.md").read_text()
        assert text.startswith(f"# {name}\n")
        assert "\n## Look at\n" in text
        assert "\n## Do\n" in text


def test_commands_and_metrics_on_the_pages_exist() -> None:
    for path in RUNBOOKS.glob("*.md"):
        for metric in re.findall(r"`(norce_[a-z_]+)", path.read_text()):
            assert metric in SERIES, path.stem


def test_every_metric_is_on_a_dashboard() -> None:
    text = json.dumps(dashboards())

    assert [metric.name for metric in metrics_catalogue.catalogue() if metric.name not in text] == []


def test_the_catalogue_has_every_metric_of_the_code() -> None:
    sources = [path.read_text() for folder in ("pipeline", "connectors") for path in (ROOT / folder).rglob("*.py")]
    made = set(re.findall(r'(?:Counter|Gauge|Histogram)\(\s*"(norce_[a-z_]+)"', "\n".join(sources)))

    assert len(made) > 20
    assert {metric.name.removesuffix("_total") for metric in metrics_catalogue.catalogue()} == made


@pytest.mark.parametrize("process", ["worker", "sinks", "lookup", "drift", "privacy", "console", "reconcile --every"])
def test_a_process_tells_its_own_metrics_alone(process: str) -> None:
    """A gauge of another process would tell a 0 that is not true; tests/query asks the running processes."""
    families = [family for family in metrics_catalogue.registry(process).collect() if family.name.startswith("norce_")]
    own = {metric.name for metric in metrics_catalogue.catalogue() if process in metric.processes.split(", ")}

    assert {f"{one.name}_total" if one.type == "counter" else one.name for one in families} == own
    assert ("norce_pipeline_ready" in own) == (process not in ("console", "reconcile --every"))


def test_the_document_of_metrics_is_up_to_date() -> None:
    assert (ROOT / "docs/METRICS.md").read_text() == metrics_catalogue.markdown(), "'make k8s' was forgotten"


def test_dashboards_are_up_to_date(tmp_path: Path) -> None:
    said(GRAFANA / "dashboards.py", tmp_path)

    for path in tmp_path.iterdir():
        assert (GRAFANA / "dashboards" / path.name).read_text() == path.read_text(), "'make k8s' was forgotten"
    assert {path.stem for path in tmp_path.iterdir()} == set(dashboards())


def test_the_cluster_gets_the_rules_and_dashboards(overlay: Overlay) -> None:
    rule = overlay.one("PrometheusRule", "norce-pipeline")
    config = overlay.one("ConfigMap", "dashboards")

    assert rule["spec"] == yaml.safe_load(said(PROMETHEUS / "resource.py"))["spec"], "'make k8s' was forgotten"
    assert config["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert {name.removesuffix(".json"): json.loads(text) for name, text in config["data"].items()} == dashboards()


@pytest.fixture
def promtool() -> str:
    here = ROOT / ".cache/prometheus/usr/bin/promtool"
    found = shutil.which("promtool") or (str(here) if here.exists() else None)
    if found is None and "CI" not in os.environ:
        pytest.skip("ALERT RULES WERE NOT TESTED: there is no promtool; 'make promtool' fetches it")
    assert found is not None, "there is no promtool; 'make promtool' fetches it"
    return found


@pytest.mark.parametrize("rules", RULES, ids=lambda path: path.stem)
def test_alerts_fire_when_they_should_and_only_then(promtool: str, rules: Path) -> None:
    tests = PROMETHEUS / "tests" / rules.name.replace(".rules.", ".test.")
    done = subprocess.run([promtool, "test", "rules", tests], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_tried() -> None:
    tried = "\n".join(path.read_text() for path in (PROMETHEUS / "tests").iterdir())

    assert [alert["alert"] for alert in alerts() if f"{alert['alert']}" not in tried] == []
