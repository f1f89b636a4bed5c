"""Lets no test, and no process that a test starts, reach beyond this machine; notes who tried.

Python imports a module of this name by itself when its folder is on PYTHONPATH, so servers and workers that
tests start have it, too. An audit hook sees every connection that Python code opens, whatever the library.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import sys
import traceback
from typing import Any

NOTES = "RBCAL_TEST_NETWORK"  # the file that takes a note of each attempt
CLOUDS = ("169.254.169.254", "metadata.google.internal")  # who tells a rented machine whose it is


def is_local(host: Any) -> bool:
    """Return whether a name or address is this machine; a local Ray talks to itself by its outer address."""
    name = host.decode() if isinstance(host, bytes) else host
    if name in (None, "", "localhost"):
        return True
    try:
        address = ipaddress.ip_address(str(name).split("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified or _is_own(str(address), address.version)


def _is_own(address: str, version: int) -> bool:
    """Return whether this machine has the address: on no other could a socket be bound."""
    with socket.socket(socket.AF_INET if version == 4 else socket.AF_INET6, socket.SOCK_DGRAM) as own:
        try:
            own.bind((address, 0))
        except OSError:
            return False
    return True


def refuse(event: str, arguments: tuple[Any, ...]) -> None:
    """Raise when somebody looks up, or connects to, another machine."""
    if event == "socket.getaddrinfo":
        host = arguments[0]
    elif event in ("socket.connect", "socket.sendto") and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    else:
        return
    if is_local(host):
        return
    # A local Ray asks in which cloud it is, with its statistics off, too; the refusal answers it.
    if NOTES in os.environ and not (host in CLOUDS and "ray" in sys.argv[0].split(os.sep)):
        with open(os.environ[NOTES], "a", encoding="utf-8") as notes:
            print(event, host, sys.argv, "".join(traceback.format_stack(limit=8)), sep="\n", file=notes)
    raise ConnectionRefusedError(f"no test reaches beyond this machine, but one asked for {host}")


sys.addaudithook(refuse)
