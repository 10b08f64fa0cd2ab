"""What `pipeline run` and `pipeline deploy` do on this machine."""
