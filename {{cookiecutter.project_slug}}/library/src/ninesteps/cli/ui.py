"""`pipeline ui`: runs and versions of this machine in a browser."""

from __future__ import annotations

import click

from ninesteps.cli import here
from ninesteps.cli.commands import commands

PORT = 8600


@commands.command()
@click.option("--port", type=click.IntRange(0, 65_535), default=PORT, show_default=True,
              help="The port on 127.0.0.1; 0: any that is free.")  # fmt: skip
@click.option("--open", "is_opened", is_flag=True, help="Open the page in the browser.")
def ui(port: int, is_opened: bool) -> None:
    """Show the runs and versions of this machine in a browser.

    It shows the version that serves, how each run ended, when its steps ran, metrics over versions,
    reports and lineage. It only reads the files of runs here, and only this machine can connect to
    it. Ctrl-C stops it.
    """
    from ninesteps.local.endpoint.control import port_refused
    from ninesteps.ui.machine import Machine
    from ninesteps.ui.server import Server

    machine = Machine(here.local(), here.settings())
    try:
        server = Server(machine, port)
    except OSError as error:
        raise click.UsageError(f"--port: {port_refused(port, error)}") from None
    with server:
        click.echo(f"{server.address}  (Ctrl-C stops it)")
        if is_opened:
            from ninesteps.terminal.browser import open_page

            open_page(server.address)
        server.serve_forever()
