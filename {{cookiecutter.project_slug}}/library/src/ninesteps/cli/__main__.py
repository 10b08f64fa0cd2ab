"""`python -m ninesteps.cli`: the same commands as `pipeline`, where it is not installed."""

from ninesteps.cli.main import main

main(prog_name="pipeline")
