"""Where a model version came from and where it went: one graph, on this machine or an account's."""
