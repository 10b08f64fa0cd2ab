"""Runs a compiled SageMaker pipeline definition on this machine: no Docker, account or network.

It reads the definition's JSON and depends on nothing else of this product. An unknown step type,
function or field is an error that names it; nothing is skipped silently.
"""
