"""What a device says of itself, from trees of files as boards have them. Sources of names and units: the kernel's
documentation of cpufreq, thermal, powercap and hwmon; files of a Jetson Orin Nano (JetPack 6) and a Raspberry Pi 4."""

import os

import pytest

from edgewing import device


def tree(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")
    return root


@pytest.fixture
def jetson(tmp_path):
    policy, gpu, hwmon = "sys/devices/system/cpu/cpufreq/policy0", "sys/class/devfreq/17000000.gpu", "sys/class/hwmon"
    return tree(
        tmp_path,
        {
            "proc/device-tree/model": "NVIDIA Jetson Orin Nano Developer Kit\0",
            "proc/device-tree/compatible": "nvidia,p3768-0000+p3767-0005\0nvidia,tegra234\0",
            "etc/os-release": 'NAME="Ubuntu"\nPRETTY_NAME="Ubuntu 22.04.4 LTS"',
            "etc/nv_tegra_release": "# R36 (release), REVISION: 3.0, GCID: 36923193, BOARD: generic",
            f"{policy}/scaling_governor": "schedutil",
            f"{policy}/scaling_cur_freq": 729600,
            f"{policy}/scaling_min_freq": 1510400,
            f"{policy}/scaling_max_freq": 1510400,
            f"{gpu}/governor": "nvhost_podgov",
            f"{gpu}/cur_freq": 306000000,
            f"{gpu}/min_freq": 306000000,
            f"{gpu}/max_freq": 624750000,
            "sys/class/thermal/thermal_zone0/type": "cpu-thermal",
            "sys/class/thermal/thermal_zone0/temp": 48125,
            "sys/class/thermal/thermal_zone1/type": "cv0-thermal",
            "sys/class/thermal/thermal_zone1/temp": -256000,  # off
            "sys/class/thermal/cooling_device0/type": "pwm-fan",
            "sys/class/thermal/cooling_device0/cur_state": 3,
            "sys/class/thermal/cooling_device1/type": "cpufreq-cpu0",
            "sys/class/thermal/cooling_device1/cur_state": 0,
            f"{hwmon}/hwmon1/name": "ina3221",
            f"{hwmon}/hwmon1/in1_label": "VDD_IN",
            f"{hwmon}/hwmon1/in1_input": 5000,
            f"{hwmon}/hwmon1/curr1_input": 1200,
            f"{hwmon}/hwmon1/in2_label": "VDD_CPU_GPU_CV",
            f"{hwmon}/hwmon1/in2_input": 5000,
            f"{hwmon}/hwmon1/curr2_input": 300,
        },
    )


@pytest.fixture
def programs(tmp_path_factory, monkeypatch):
    """put(name, script) makes a program of the board."""
    folder = tmp_path_factory.mktemp("bin")
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")

    def put(name, script):
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)

    return put


def test_a_jetson(jetson, programs):
    programs("nvpmodel", 'echo "NV Power Mode: 15W"; echo 0')
    about = device.about(jetson)
    assert about["name"] == "NVIDIA Jetson Orin Nano Developer Kit" and about["chip"] == "nvidia,tegra234"
    assert about["system"] == "Ubuntu 22.04.4 LTS" and about["board_support"] == "R36 (release), REVISION: 3.0"
    setting = device.setting(jetson)
    assert setting["power_mode"] == "15W"
    cpu, gpu = setting["clocks"]["policy0"], setting["clocks"]["17000000.gpu"]
    assert (cpu["governor"], cpu["mhz"], cpu["most_mhz"], cpu["pinned"]) == ("schedutil", 730, 1510, True)
    assert (gpu["mhz"], gpu["most_mhz"], gpu["pinned"]) == (306, 625, False)
    assert device.temperatures(jetson) == {"cpu-thermal": 48.1}


def test_heat_slows_it(jetson):
    before = device.brakes(jetson)
    assert before == {"cooling_device1 cpufreq-cpu0": 0}  # a fan costs no speed
    assert device.throttled(before, device.brakes(jetson)) == {"seen": False, "brakes": {}}
    tree(jetson, {"sys/class/thermal/cooling_device1/cur_state": 4})
    after = device.brakes(jetson)
    assert device.throttled(before, after) == {"seen": True, "brakes": {"cooling_device1 cpufreq-cpu0": 4}}
    assert device.throttled(after, after)["seen"], "it was slowed all the time"
    assert device.throttled({}, {}) == {"seen": None, "brakes": {}}


def test_a_counter_counts_only_while_we_look(tmp_path):
    count = "sys/devices/system/cpu/cpu{}/thermal_throttle/core_throttle_count"
    tree(tmp_path, {count.format(0): 5, count.format(1): 2})
    before = device.brakes(tmp_path)
    assert before == {"throttle_count": 7} and not device.throttled(before, before)["seen"]
    tree(tmp_path, {count.format(1): 4})
    assert device.throttled(before, device.brakes(tmp_path)) == {"seen": True, "brakes": {"throttle_count": 2}}


def test_a_raspberry_with_a_weak_supply(tmp_path, programs):
    programs("vcgencmd", "echo throttled=0x50005")  # under-voltage and throttled, now and earlier
    assert device.brakes(tmp_path) == {"get_throttled": 5}
    programs("vcgencmd", "echo throttled=0x50000")  # earlier only
    assert device.brakes(tmp_path) == {"get_throttled": 0}
    programs("vcgencmd", "exit 1")
    assert device.brakes(tmp_path) == {}


def test_the_boards_meter(jetson):
    """5 V and 1.2 A, then 1.6 A: 7 W on average, 70 J in 10 s, 0.7 J for each of 100 runs."""
    meter = device.Meter(jetson)
    assert meter.sampled
    meter.sample()
    tree(jetson, {"sys/class/hwmon/hwmon1/curr1_input": 1600})
    meter.sample()
    figures = meter.figures(10.0, 100)
    assert figures["meter"] == "INA3221 VDD_IN" and figures["covers"] == "the whole board"
    assert (figures["watts"], figures["joules_per_run"]) == pytest.approx((7.0, 0.7))


def test_a_counter_of_joules(tmp_path):
    zone, whole = "sys/class/powercap/intel-rapl:0", "sys/class/powercap/intel-rapl:1"
    tree(tmp_path, {f"{zone}/energy_uj": 9_000_000, f"{zone}/max_energy_range_uj": 10_000_000})
    tree(tmp_path, {f"{zone}/name": "package-0", f"{whole}/name": "psys", f"{whole}/energy_uj": 1_000_000})
    meter = device.Meter(tmp_path)
    assert not meter.sampled
    # it has gone round: 1 + 4 J; the whole machine's 8 J have these in them
    tree(tmp_path, {f"{zone}/energy_uj": 4_000_000, f"{whole}/energy_uj": 9_000_000})
    assert meter.figures(2.0, 10) == {
        "meter": "RAPL",
        "covers": "processor packages, with whatever else they did",
        "watts": pytest.approx(2.5),
        "joules_per_run": pytest.approx(0.5),
    }


def test_a_phones_battery(tmp_path):
    battery = {"status": "Discharging", "voltage_now": 4_000_000, "current_now": -500_000}
    tree(tmp_path, {f"sys/class/power_supply/battery/{name}": value for name, value in battery.items()})
    meter = device.Meter(tmp_path)
    meter.sample()
    assert meter.figures(1.0, 1)["watts"] == pytest.approx(2.0)
    tree(tmp_path, {"sys/class/power_supply/battery/status": "Charging"})
    assert device.Meter(tmp_path).figures(1.0, 1) is None


def test_an_android_device(tmp_path, programs):
    cases = '*manufacturer) echo Google;; *product.model) echo "Pixel 8";; *soc*) echo Tensor;; *) echo 14;;'
    programs("getprop", f"case $1 in {cases} esac")
    about = device.about(tmp_path)
    assert (about["name"], about["chip"], about["system"]) == ("Google Pixel 8", "Tensor", "Android 14")


def test_a_machine_that_says_nothing(tmp_path):
    about = device.about(tmp_path)
    assert set(about) == {"system", "architecture"}
    assert device.setting(tmp_path) == {} and device.temperatures(tmp_path) == {} and device.brakes(tmp_path) == {}
    meter = device.Meter(tmp_path)
    meter.sample()
    assert meter.figures(1.0, 1) is None


def test_this_machine():
    assert device.about()["architecture"] == os.uname().machine
    assert all(0 < value < 150 for value in device.temperatures().values())
