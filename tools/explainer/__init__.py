"""The interactive page about the nine steps, made from a real run of each scenario.

`python tools/explainer [OUT]` renders the scenarios, runs them, and writes the page and the runs'
reports. Nothing on it is copied by hand: requests come from the compiled definition, numbers from a
run, and scenarios from `cookiecutter.json` and the settings.
"""
