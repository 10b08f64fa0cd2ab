"""Opens a page in the browser, where the machine has one."""

from __future__ import annotations

import webbrowser

import click


def open_page(address: str) -> None:
    """Open an address in the browser; without a browser, print a notice with the address."""
    try:
        is_opened = webbrowser.open(address)
    except webbrowser.Error:
        is_opened = False
    if not is_opened:
        click.echo(f"pipeline: notice: this machine has no browser to open {address}", err=True)
