"""The report of a run: one page for those who judge a model, made from what the run left behind."""
