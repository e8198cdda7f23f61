"""A device with an sshd: Jetson, Raspberry Pi, Mac, or a phone with Termux's. Through the system's ssh client.

Nobody is there to type a password: a key must let us in (``ssh-copy-id USER@HOST``), and the host must be known. What
else ssh needs stands in its own configuration, ~/.ssh/config or the file that is named.
"""

from __future__ import annotations

import shlex
from urllib.parse import urlsplit

from bench.devices import Device

# A host that is gone is noticed after 15 s without an answer.
OPTIONS = ("BatchMode=yes", "ConnectTimeout=10", "ServerAliveInterval=5", "ServerAliveCountMax=3", "LogLevel=ERROR")


class Ssh(Device):
    def __init__(self, address: str, folder: str = "", python: str = "", ssh_config: str = ""):
        super().__init__(address, folder, python)
        parts = urlsplit(address)
        user, host, port = parts.username, parts.hostname, parts.port
        if not host or host.startswith("-") or parts.path:  # what begins with - would be an option
            raise ValueError(address)
        self._words = ["ssh", "-T", *(["-F", ssh_config] if ssh_config else [])]
        self._words += [word for option in OPTIONS for word in ("-o", option)]
        self._words += [*(["-p", str(port)] if port else []), *(["-l", user] if user else []), "--", host]

    def command(self, line: str) -> list[str]:
        return [*self._words, f"sh -c {shlex.quote(line)}"]  # the login shell there may be any
