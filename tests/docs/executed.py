"""How every command and every block of the documentation is executed: which test does, or why none can here.

``test_executed.py`` sees that nothing on the pages is without an answer, and that every test that is named is there.
A test is named by its file below ``tests`` and its function. One that is marked ``long`` is run by ``make faults``.
"""

from __future__ import annotations

from collections.abc import Mapping

from tests.query.test_page import ACTS, LOOKS

_LOOKS = "query/test_page.py::test_a_command_on_the_pages_that_changes_nothing_runs_as_it_stands"
_ACTS = "query/test_page.py::test_the_commands_on_the_page_that_act_run_as_they_stand"
_REQUESTS = "query/test_page.py::test_the_requests_on_the_page_are_answered"
_NO_BROKER = "docs/test_pages.py::test_a_command_that_needs_no_broker_runs_as_the_page_has_it"
_RUN = "run/test_run.py::test_a_run_ends_with_0_when_every_check_holds"
_TARGETS = "docs/test_executed.py::test_a_target_that_writes_files_runs_and_writes_what_is_there"
_APPLIED = "k8s/test_applying.py::test_every_resource_is_taken_and_holds_what_was_sent"
_DRIFT = "drift/test_process.py::test_a_report_that_was_closed_is_made_again_when_its_shape_comes_again"
_BROKERS = "operations/test_broker_upgrade.py::test_three_brokers_restarted_one_after_the_other_under_load_lose_nothing"

COMMANDS: Mapping[str, str] = {
    **dict.fromkeys(LOOKS, _LOOKS),
    **dict.fromkeys(ACTS, _ACTS),
    "norce-pipeline --help": _NO_BROKER,
    "norce-pipeline contracts check": _NO_BROKER,
    "norce-pipeline contracts show*": _NO_BROKER,
    "norce-pipeline metrics": _NO_BROKER,
    "norce-pipeline topics export*": _NO_BROKER,
    **{
        f"norce-pipeline {name}": _REQUESTS  # they are processes of the pipeline that it asks
        for name in ("webhook", "worker", "sink connect", "sink checkout", "lookup", "privacy", "console", "simulator")
    },
    "norce-pipeline drift": _DRIFT,
    "norce-pipeline drift-reports close KEY": _DRIFT,
    "norce-pipeline rebuild --yes": (
        "operations/test_disaster_recovery.py::test_state_of_another_layout_stops_the_worker_and_is_made_anew"
    ),
    "norce-pipeline repartition --yes": (
        "operations/test_partition_count.py::test_what_was_cut_short_after_any_copy_is_repeated_and_loses_nothing"
    ),
    "norce-pipeline topics in-sync --wait 600": _BROKERS,
    "curl --include*": "webhook/test_page.py::test_the_request_on_the_page_is_taken",
    "curl http://127.0.0.1:8084/*": _REQUESTS,
    "kcat *": "contracts/test_run.py::test_kcat_reads_an_enriched_topic_by_the_recipe",
    "python load_topic.py *": "contracts/test_run.py::test_an_enriched_topic_is_loaded_into_duckdb_by_the_recipe",
    "printf *": "docs/test_pages.py::test_the_digest_is_made_as_the_page_says",
    "make": "packaging/test_set_up.py::test_make_alone_says_what_there_is",
    "make run*": _RUN,
    "make docs": "docs/test_site.py::test_every_page_is_on_the_site",
    "make k8s": _TARGETS,
    "make sbom": _TARGETS,
    "make pictures": "docs/test_pictures.py::test_the_picture_is_the_one_that_the_code_draws",
    "make simulate*": "simulation/test_simulation.py::test_one_seed_is_one_history_step_by_step_in_another_process_too",
    "make soak*": "faults/test_soak.py::test_a_short_soak_with_random_kills_ends_balanced_and_flat",
    "make image": "packaging/test_dockerfile.py::test_the_build_steps_install_a_program_that_runs",
    "make k8s-apply": _APPLIED,
    "make k8s-apply-check ARGS=prod": "k8s/test_applying.py::test_the_check_before_applying_changes_nothing",
    "kubectl apply --server-side --kustomize k8s/overlays/prod": _APPLIED,
    "kubectl create namespace norce-prod": _APPLIED,
    "kubectl create job now --from=cronjob/dead-letters": (
        "k8s/test_applying.py::test_operators_make_a_pod_for_their_commands"
    ),
}
"""What a command is like, as ``fnmatch`` has it, to the test that gives it or what a target of the Makefile gives."""

_NO_ENGINE = "needs a container engine; packaging/test_compose.py holds the file against specification and program"
_NO_NODES = (
    "needs nodes or the operators' controllers, and k8s/test_applying.py has an API server only; docs/test_pages.py "
    "sees that the objects are in the manifests, and the command inside of a pod is given on its own"
)
NOT_HERE: Mapping[str, str] = {
    "docker compose *": _NO_ENGINE,
    "kubectl": "is only named",
    "kubectl config set-context *": "writes the operator's own configuration",
    **{
        f"kubectl {words}*": _NO_NODES
        for words in ("delete", "describe", "edit", "exec", "get", "logs", "port-forward", "rollout", "scale", "wait")
    },
    "kubectl create job now --from=cronjob/reconcile": _NO_NODES,
    "make test": "is what runs these tests; packaging/test_set_up.py sees that continuous integration gives it",
    "make faults*": "is what runs the long tests, for hours",
    "make bench": "measures for more than an hour; docs/benchmarks is what it wrote, tests/benchmarks tests its parts",
    "make bench-quick": "continuous integration gives it, as packaging/test_set_up.py sees",
    "make audit-dependencies": "asks an advisory service; packaging/test_audit.py tests what is made of its answer",
    "norce-pipeline run --nodes 3": f"three brokers for a demonstration; {_BROKERS} starts them in the same way",
    "python -m tests.audit.scale 250000 FOLDER": (
        "measures for minutes; audit/test_memory.py compares a million events the same way, as a long test"
    ),
}
"""What a command is like to why no test gives it."""

BLOCKS: Mapping[tuple[str, str], str] = {
    ("README.md", "✓ Norce was rid"): _RUN,
    ("docs/data.md", '{\n  "id"'): "docs/test_pages.py::test_the_order_on_the_page_is_one_as_it_is_published",
    ("docs/data.md", '"""Load a compacted topic'): (
        "contracts/test_recipes.py::test_the_page_shows_the_recipe_as_it_is_run"
    ),
    ("docs/data.md", "SELECT record"): "contracts/test_run.py::test_the_sums_of_the_query_in_the_recipe_are_exact",
    ("docs/operating.md", "KAFKA_BOOTSTRAP_SERVERS"): "docs/test_pages.py::test_every_setting_on_the_page_exists",
    ("docs/operating.md", '{\n  "default"'): "docs/test_pages.py::test_the_push_policy_on_the_page_can_be_used",
    ("docs/operating.md", '{"support-1"'): "docs/test_pages.py::test_the_accounts_on_the_page_can_be_used",
}
"""Page and beginning of each block that is no command, to the test that uses it as it stands."""
NO_PROGRAM: Mapping[tuple[str, str], str] = {
    ("README.md", "connectors/ "): "lists folders",
    ("docs/operating.md", "order 103:"): "is what a replay printed; replay/test_norce.py sees what it prints",
}
"""... and of those that nothing can execute, with what they are."""
