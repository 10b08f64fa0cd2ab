"""Runs a compiled SageMaker pipeline definition on this machine: no Docker, account or network.

It reads the definition's JSON and knows nothing of the product that it comes from. What it does
not know (a step type, a function, a field) is an error that names it, never a silent pass.
"""
