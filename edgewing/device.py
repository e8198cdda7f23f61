"""What this device is, how it is set, how warm it is, and what it draws: from files of the system, without any package.

Linux (boards, PCs, Android's Termux) keeps it under /sys and /proc; a Mac says a few things through ``sysctl``. What
a device does not say is left out. Sources: the kernel's documentation of cpufreq, thermal, powercap and hwmon; NVIDIA's
``nvpmodel`` and the INA3221 of its boards; Raspberry Pi's ``vcgencmd get_throttled``.
"""

from __future__ import annotations

import contextlib
import platform
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path("/")
FANS = ("fan", "pwm")  # cooling devices that cost no speed
RASPBERRY_NOW = 0xF  # bits of get_throttled: under-voltage, capped, throttled, soft limit, at this moment


def about(root: Path = ROOT) -> dict:
    """name: as its maker calls it. chip, system, architecture. Texts that are not known are left out."""
    found = {
        "name": _text(root / "proc/device-tree/model") or _text(root / "sys/class/dmi/id/product_name"),
        "chip": _text(root / "proc/device-tree/compatible").split("\0")[-1],
        "system": _release(root),
        "board_support": _text(root / "etc/nv_tegra_release").split(", GCID")[0].lstrip("# "),
        "architecture": platform.machine(),
    }
    if shutil.which("getprop"):
        found["name"] = f"{_say('getprop', 'ro.product.manufacturer')} {_say('getprop', 'ro.product.model')}".strip()
        found["chip"] = _say("getprop", "ro.soc.model") or _say("getprop", "ro.board.platform")
        found["system"] = f"Android {_say('getprop', 'ro.build.version.release')}"
    if sys.platform == "darwin":
        found["name"], found["chip"] = (
            _say("sysctl", "-n", "hw.model"),
            _say("sysctl", "-n", "machdep.cpu.brand_string"),
        )
        found["system"] = f"macOS {platform.mac_ver()[0]}"
    return {key: value for key, value in found.items() if value}


def setting(root: Path = ROOT) -> dict:
    """How fast it is allowed to be: ``power_mode`` (nvpmodel), and for every clock its ``governor``, ``mhz`` with
    ``least_mhz`` and ``most_mhz``, and ``pinned`` where these are one (jetson_clocks)."""
    clocks = {}
    for policy in sorted((root / "sys/devices/system/cpu/cpufreq").glob("policy*")):
        values = [_number(policy / f"scaling_{name}_freq") for name in ("cur", "min", "max")]
        clocks[policy.name] = {"governor": _text(policy / "scaling_governor"), **_clock(values, 1e3)}
    for other in sorted((root / "sys/class/devfreq").glob("*")):  # GPU, memory, DLA
        values = [_number(other / f"{name}_freq") for name in ("cur", "min", "max")]
        clocks[other.name] = {"governor": _text(other / "governor"), **_clock(values, 1e6)}
    found = {"clocks": clocks} if clocks else {}
    if shutil.which("nvpmodel"):
        first = _say("nvpmodel", "-q").splitlines()[:1]
        found["power_mode"] = first[0].removeprefix("NV Power Mode: ") if first else "not told"
    return found


def temperatures(root: Path = ROOT) -> dict[str, float]:
    """Degrees Celsius of every thermal zone that says one, by its name."""
    found = {}
    for zone in sorted((root / "sys/class/thermal").glob("thermal_zone*")):
        value = _number(zone / "temp")
        if value is not None and 0 < value < 200_000:  # a zone that is off says 0 or less
            found[_text(zone / "type") or zone.name] = round(value / 1000, 1)
    return found


def brakes(root: Path = ROOT) -> dict[str, int]:
    """What slows the device when it is hot: counters and states that are larger the more it is slowed."""
    found = {}
    counts = [_number(f) for f in (root / "sys/devices/system/cpu").glob("cpu[0-9]*/thermal_throttle/*_throttle_count")]
    if known := [count for count in counts if count is not None]:
        found["throttle_count"] = sum(known)
    for cooler in sorted((root / "sys/class/thermal").glob("cooling_device*")):
        kind, state = _text(cooler / "type"), _number(cooler / "cur_state")
        if state is not None and not any(fan in kind.lower() for fan in FANS):
            name = f"{cooler.name} {kind}"
            found[name] = state
    if shutil.which("vcgencmd"):
        with contextlib.suppress(ValueError):
            found["get_throttled"] = (
                int(_say("vcgencmd", "get_throttled").removeprefix("throttled="), 16) & RASPBERRY_NOW
            )
    return found


def throttled(before: dict[str, int], after: dict[str, int]) -> dict:
    """``seen``: whether a brake was tighter, or still on, after than before; None where the device has none to read.
    ``brakes``: those."""
    tighter = {}
    for name, value in after.items():
        counter = name == "throttle_count"
        if value > before.get(name, 0) or (value and not counter):
            tighter[name] = value - before.get(name, 0) if counter else value
    return {"seen": bool(tighter) if after else None, "brakes": tighter}


class Meter:
    """Energy between its making and ``figures``. name: of the meter, '' where the device has none.

    A counter of joules (Intel's RAPL, which only root may read) is read twice. Meters of watts (INA3221 of Jetson
    boards, a battery that is not being charged) are read by ``sample``, which the caller calls now and then.
    """

    def __init__(self, root: Path = ROOT):
        self.name, self.covers, self._watts = "", "", []
        self._counters = [
            zone
            for zone in sorted((root / "sys/class/powercap").glob("intel-rapl:[0-9]"))
            # one that is called psys counts the packages, and the rest of the machine
            if _text(zone / "name").startswith("package") and _number(zone / "energy_uj")
        ]
        self._rail = self._battery = None
        if self._counters:
            self.name, self.covers = "RAPL", "processor packages, with whatever else they did"
            self._start = [_number(zone / "energy_uj") for zone in self._counters]
        elif rail := _input_rail(root):
            self.name, self.covers, self._rail = f"INA3221 {rail[0]}", "the whole board", rail[1:]
        elif battery := _discharging(root):
            self.name, self.covers, self._battery = f"battery {battery.name}", "the whole device", battery

    def sample(self) -> None:
        """Read a meter of watts once; nothing where there is none."""
        value = None
        if self._rail:
            milli = [_number(file) for file in self._rail]  # volts, amperes
            value = None if None in milli else milli[0] * milli[1] / 1e6
        elif self._battery:
            micro = [_number(self._battery / name) for name in ("voltage_now", "current_now")]
            value = None if None in micro else abs(micro[0] * micro[1]) / 1e12
        if value is not None:
            self._watts.append(value)

    @property
    def sampled(self) -> bool:
        """Whether ``sample`` has something to read."""
        return bool(self._rail or self._battery)

    def figures(self, seconds: float, runs: int) -> dict | None:
        """meter, covers, watts and joules_per_run; None where there is no meter or it said nothing."""
        joules = sum(self._watts) / len(self._watts) * seconds if self._watts else None
        if self._counters:
            joules = 0.0
            for zone, start in zip(self._counters, self._start):
                end = _number(zone / "energy_uj")
                if end is None:
                    return None
                joules += ((end - start) + (end < start) * (_number(zone / "max_energy_range_uj") or 0)) / 1e6
        if joules is None:
            return None
        return {"meter": self.name, "covers": self.covers, "watts": joules / seconds, "joules_per_run": joules / runs}


def _input_rail(root: Path) -> tuple[str, Path, Path] | None:
    """Label and files (mV, mA) of the rail that feeds the whole board."""
    for chip in sorted((root / "sys/class/hwmon").glob("hwmon*")):
        if _text(chip / "name") != "ina3221":
            continue
        for label in sorted(chip.glob("in*_label")):
            name, number = _text(label), label.name[2:-6]
            if name.upper() in ("VDD_IN", "POM_5V_IN", "VIN_SYS_5V0"):  # Orin, Nano, Xavier and Orin AGX
                return name, chip / f"in{number}_input", chip / f"curr{number}_input"
    return None


def _discharging(root: Path) -> Path | None:
    for supply in sorted((root / "sys/class/power_supply").glob("*")):
        if _text(supply / "status") == "Discharging" and _number(supply / "current_now"):
            return supply
    return None


def _clock(values: list[int | None], unit: float) -> dict:
    names = ("mhz", "least_mhz", "most_mhz")
    found = {name: round(value / unit) for name, value in zip(names, values) if value is not None}
    return {**found, "pinned": values[1] == values[2]} if None not in values[1:] else found


def _release(root: Path) -> str:
    for line in _text(root / "etc/os-release").splitlines():
        if line.startswith("PRETTY_NAME="):
            return line.removeprefix("PRETTY_NAME=").strip('"')
    return f"{platform.system()} {platform.release()}"


def _text(file: Path) -> str:
    """The first kilobytes of a file, stripped; empty where it is not there or must not be read."""
    try:
        with open(file, "rb") as stream:
            return stream.read(4096).decode(errors="replace").strip().rstrip("\0")
    except OSError:
        return ""


def _number(file: Path) -> int | None:
    try:
        return int(_text(file))
    except ValueError:
        return None


def _say(*words: str) -> str:
    """What a program of the system says; empty where it fails or takes long."""
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=5)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
