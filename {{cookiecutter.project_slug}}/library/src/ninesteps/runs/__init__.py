"""What `pipeline run` and `pipeline deploy` do on this machine, from the raw table to the report."""
