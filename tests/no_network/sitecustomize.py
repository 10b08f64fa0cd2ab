"""Cuts a Python process off from the network: with this folder on its path, connecting fails."""

import socket
from typing import Any, NoReturn


def _refuse(self: socket.socket, address: Any) -> NoReturn:
    raise OSError(f"the tests allow no connection, and {address!r} was tried")


for _method in ("connect", "connect_ex"):
    setattr(socket.socket, _method, _refuse)
