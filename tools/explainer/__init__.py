"""The interactive page about the nine steps, made from a real run of each scenario.

`python tools/explainer [OUT]` renders the scenarios, runs them, and writes the page and the runs'
reports. Nothing on it is copied by hand: requests are the compiled definition's, numbers are a
run's, scenarios are `cookiecutter.json`'s and the settings'.
"""
