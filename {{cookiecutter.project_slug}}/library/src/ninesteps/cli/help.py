"""The groups of commands and the examples that `--help` shows.

Every command is in one group. Each example is a command line that works in a repository whose
`pipeline.toml` has an environment `prod`; the tests parse them all.
"""

from __future__ import annotations

GROUPS = {
    "Run and look": ("run", "runs", "show", "logs", "report", "ui", "diff"),
    "Decide": ("registry", "approve", "reject", "card"),
    "Prove": ("lineage", "reproduce", "audit", "trace"),
    "Serve": ("deploy", "rollback", "endpoint", "ab-plan", "ingest", "record"),
    "Account": ("bootstrap", "publish", "start", "status", "stop", "schedule", "cost"),
    "Repository": ("check", "compile", "schema", "readme", "eject", "vendor", "fleet",
                   "completion"),
}  # fmt: skip
"""The commands grouped by purpose, in the order in which they are usually needed."""

EXAMPLES: dict[str, tuple[tuple[str, str], ...]] = {
    "run": (
        ("pipeline run", "Run on the table of pipeline.toml."),
        ("pipeline run --data new.csv", "Run on another table."),
        ("pipeline run --only 3", "Run step 3 and the steps that it needs."),
        ("pipeline run --resume last", "Continue the last run if it was interrupted."),
    ),
    "runs": (
        ("pipeline runs --last 5", "List the five newest runs here."),
        ("pipeline runs --env prod", "List the executions in an account."),
    ),
    "show": (("pipeline show last", "Show the last run."),),
    "logs": (
        ("pipeline logs last 2", "Print the log of step 2 of the last run."),
        ("pipeline logs last 2 --trial 3", "Print the log of the step's third trial."),
    ),
    "report": (
        ("pipeline report last", "Write the page of the last run."),
        ("pipeline report serving --open", "Open the page of the version that serves."),
    ),
    "ui": (
        ("pipeline ui --open", "Show all runs and versions in the browser."),
        ("pipeline ui --port 0", "Take any port that is free."),
    ),
    "diff": (
        ("pipeline diff 1 2", "Compare version 2 with version 1."),
        ("pipeline diff serving last", "Compare the last run with the version that serves."),
    ),
    "registry": (
        ("pipeline registry", "List the versions."),
        (
            "pipeline registry 2 --against serving",
            "Compare version 2 with the version that serves.",
        ),
    ),
    "approve": (
        ("pipeline approve 2", "It asks who approves and why."),
        ("pipeline approve 2 --env prod", "Approve a version in an account."),
    ),
    "reject": (('pipeline reject 2 --who Jo --why "too many false alarms"', ""),),
    "card": (
        ("pipeline card 2", "Show the model card of version 2."),
        ("pipeline card 2 --env prod", "Also put it into SageMaker's Model Cards."),
    ),
    "lineage": (
        ("pipeline lineage 2", "Show where version 2 came from."),
        ("pipeline lineage --of data/churn.csv", "List the versions made from a table."),
    ),
    "reproduce": (("pipeline reproduce 2 -o again", "Keep the new run in the folder again."),),
    "audit": (
        ("pipeline audit 2", "Write the audit pack of version 2."),
        ("pipeline audit --verify", "Check that nothing kept here was changed."),
    ),
    "trace": (
        ("pipeline trace 1042", "Show where record 1042 was used."),
        ("pipeline trace 1042 --erase", "Erase it from this machine; it asks first."),
    ),
    "deploy": (
        ("pipeline deploy 2 --time-scale 60", "Wait a second instead of each minute."),
        ("pipeline deploy 2 --ab", "Test it against the version that serves."),
        ('pipeline deploy 2 --who "Jo Doe" --why "spring data"', "Keep who decided, and why."),
    ),
    "rollback": (
        ("pipeline rollback", "Go back to the previous version."),
        ('pipeline rollback --who "Jo Doe" --why "too slow"', "Keep who decided, and why."),
    ),
    "endpoint": (
        ("pipeline endpoint", "Show what serves, and where."),
        ("pipeline endpoint --example", "Print a request to it for a shell."),
        ("pipeline endpoint --stop", "Stop it."),
    ),
    "ab-plan": (("pipeline ab-plan --users 500 --rate 0.3", ""),),
    "ingest": (
        ("pipeline ingest data/churn.csv", "Put a table into the stores here."),
        ("pipeline ingest data/churn.csv --env prod", "Put it into an account's stores."),
    ),
    "record": (
        ("pipeline record 1042", "Show a record and its prediction."),
        ("pipeline record 1042 --as-of 2026-01-31T00:00:00Z", "Show it as it was then."),
    ),
    "bootstrap": (
        ("pipeline bootstrap --env prod --plan", "Show what it would make, without an account."),
        ("pipeline bootstrap --env prod", "It shows the changes and asks."),
    ),
    "publish": (
        ("pipeline publish --env prod --plan", "Show what it would send, without an account."),
        ("pipeline publish --env prod", ""),
    ),
    "start": (
        ("pipeline start --env prod --wait", "Start an execution, and wait until it ends."),
        ("pipeline start --env prod --steps 7", "Run the seventh step alone."),
    ),
    "status": (("pipeline status --env prod", "Show the latest execution."),),
    "stop": (("pipeline stop --env prod", "Stop the latest execution."),),
    "schedule": (("pipeline schedule on --env prod", ""),),
    "cost": (
        ("pipeline cost --minutes 10", "Assume ten minutes for every job."),
        ("pipeline cost --env prod", "Use the hours of a real execution."),
    ),
    "check": (
        ("pipeline check", "Check the repository. No account is needed."),
        ("pipeline check --env prod", "Also compare with an account's quotas."),
    ),
    "compile": (("pipeline compile -o definition.json", ""),),
    "schema": (
        ("pipeline schema data/new.csv --label left", "Print a draft."),
        ("pipeline schema data/new.csv --label left --write", "Also put it into pipeline.toml."),
    ),
    "readme": (("pipeline readme", ""),),
    "eject": (("pipeline eject metrics.py", ""),),
    "vendor": (("pipeline vendor ../ninesteps-1.1.0-py3-none-any.whl", ""),),
    "fleet": (("pipeline fleet pipelines", "Look at the repositories below a folder."),),
    "completion": (
        ('eval "$(pipeline completion bash)"', "Turn completion on in this shell."),
        ("pipeline completion fish > ~/.config/fish/completions/pipeline.fish", ""),
    ),
}
"""Examples of each command: command lines and what each does, if its help does not say it."""
