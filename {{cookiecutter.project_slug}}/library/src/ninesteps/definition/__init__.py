"""The one reader of a compiled pipeline definition: engine, checks, permissions and report use it.

`step_content` finds the steps of any definition, whatever else stands in it. `definition` is built
on it and reads what this machine can run; it refuses everything else by name.
"""
