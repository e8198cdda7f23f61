"""A board on loopback: a real sshd with keys of its own, and a Python there that has numpy and nothing else of ours."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import pytest

from bench.__main__ import main
from bench.devices import campaign
from edgewing import rows

SSHD = shutil.which("sshd") or next(iter(filter(os.path.exists, ["/usr/sbin/sshd"])), None)


def rows_of_command(*words, log: Path) -> list[dict]:
    """All rows of the log after `bench devices`, which must end with 2 where it tried and measured nothing."""
    known = len(rows.read(log)[0]) if log.exists() else 0
    try:
        code = main(["devices", *map(str, words), "--to", str(log)])
    except SystemExit as ended:
        code = ended.code
    found = rows.read(log)[0]
    tried = found[known:]
    assert code == (2 if tried and all("not_run" in row for row in tried) else 0)
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Host:
    """An sshd that lets one key in. address and config: for `bench devices`."""

    def __init__(self, folder: Path):
        self.folder, self.port, self.process = folder, free_port(), None
        for name in ("host", "user"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
        (folder / "authorized_keys").write_text((folder / "user.pub").read_text())
        public = " ".join((folder / "host.pub").read_text().split()[:2])
        (folder / "known_hosts").write_text(f"[127.0.0.1]:{self.port} {public}\n")
        self.server_config, self.config = folder / "sshd_config", folder / "ssh_config"
        self.server_config.write_text(
            f"Port {self.port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nPidFile none\nUsePAM no\n"
            f"AuthorizedKeysFile {folder}/authorized_keys\nStrictModes no\nPasswordAuthentication no\n"
            "PermitRootLogin prohibit-password\n"
        )
        self.config.write_text(
            f"Host *\n  IdentityFile {folder}/user\n  IdentitiesOnly yes\n  UserKnownHostsFile {folder}/known_hosts\n"
            "  StrictHostKeyChecking yes\n"
        )
        self.address = f"ssh://{os.environ.get('USER') or 'root'}@127.0.0.1:{self.port}"

    def start(self) -> None:
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)  # where a root sshd locks its unprivileged half up
        call = [SSHD, "-D", "-e", "-f", str(self.server_config)]
        with open(self.folder / "sshd.log", "a") as log:
            self.process = subprocess.Popen(call, stderr=log, start_new_session=True)
        for _ in range(6000):  # five minutes, of a busy machine
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        pytest.fail(f"sshd does not answer: {(self.folder / 'sshd.log').read_text()}")

    def stop(self) -> None:
        """The host is gone: the server and every connection that it serves."""
        if self.process is None:
            return
        served = [int(pid) for pid in _children(self.process.pid) if "sshd" in Path(f"/proc/{pid}/comm").read_text()]
        for pid in [self.process.pid, *served]:
            os.kill(pid, signal.SIGKILL)
        self.process.wait()
        self.process = None


def _children(pid: int) -> list[str]:
    """Processes below one, sshd's own: a line that it runs there goes on, as on a board whose network is gone."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return found + [grandchild for child in found for grandchild in _children(int(child))]


@pytest.fixture(scope="session")
def host(tmp_path_factory):
    if SSHD is None:
        pytest.skip("needs an sshd: apt-get install openssh-server")
    host = Host(tmp_path_factory.mktemp("host"))
    host.start()
    yield host
    host.stop()


@pytest.fixture(scope="session")
def wheel(tmp_path_factory) -> Path:
    return campaign.build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture
def python_with(tmp_path):
    """make(*packages, **files): the command of a Python that has these of our packages and these modules, no others."""

    def make(*packages: str, **modules: str) -> str:
        home = tmp_path / "python"
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", home], check=True)
        (site,) = home.glob("lib/python*/site-packages")
        ours = Path(sysconfig.get_path("purelib"))
        for package in packages:
            for found in ours.glob(f"{package}*"):
                (site / found.name).symlink_to(found)
        for name, text in modules.items():
            (site / f"{name}.py").write_text(text)
        return str(home / "bin" / "python")

    return make
