"""Reads a compiled pipeline definition, for engine, checks, permissions and report.

`step_content` finds the steps of any definition. `definition` uses it to read what this machine can
run, and refuses anything else by name.
"""
