"""`python -m cli`: the same commands as `pipeline`, where it is not installed."""

from cli.main import main

main(prog_name="pipeline")
