"""The CUDA driver, as far as an engine needs it: which chip this is, and memory on it.

Through ctypes and ``libcuda.so.1``, which comes with every Jetson and with the driver of every NVIDIA GPU, so there is
nothing to install for it. Function names and numbers are those of cuda.h (CUDA Driver API).
"""

from __future__ import annotations

import ctypes
import weakref
from dataclasses import dataclass
from functools import cache

import numpy as np

from edgewing.errors import InputError

LIBRARY = "libcuda.so.1"
CAPABILITY = (75, 76)  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, _MINOR


@dataclass(frozen=True)
class Chip:
    """name: as the driver has it, such as ``Orin``. capability: its compute capability ("SM"), such as ``8.7``."""

    name: str
    capability: str

    def __str__(self) -> str:
        return f"compute capability {self.capability} ({self.name})"


class Driver:
    """The first GPU and the context that TensorRT uses on it too. Raises InputError where the driver fails."""

    def __init__(self, library: str):
        try:
            self._library = ctypes.CDLL(library)
        except OSError:
            raise InputError(f"no NVIDIA GPU here: there is no driver ({library}); run this on the board") from None
        self.call("cuInit", 0)
        self._device, self._context = ctypes.c_int(), ctypes.c_void_p()
        self.call("cuDeviceGet", ctypes.byref(self._device), 0)

    def call(self, function: str, *arguments) -> None:
        """Sizes and addresses must come as ctypes values: a plain int is taken for one of 32 bits."""
        code = getattr(self._library, function)(*arguments)
        if code:
            raise InputError(
                f"the CUDA driver failed in {function} with code {code}; is the GPU free, the driver well?"
            )

    def chip(self) -> Chip:
        name, number = ctypes.create_string_buffer(256), ctypes.c_int()
        self.call("cuDeviceGetName", name, len(name), self._device)
        digits = []
        for attribute in CAPABILITY:
            self.call("cuDeviceGetAttribute", ctypes.byref(number), attribute, self._device)
            digits.append(str(number.value))
        return Chip(name.value.decode(errors="replace"), ".".join(digits))

    def enter(self) -> None:
        """Make the GPU's context that of this thread."""
        if not self._context:
            self.call("cuDevicePrimaryCtxRetain", ctypes.byref(self._context), self._device)
        self.call("cuCtxSetCurrent", self._context)

    def stream(self) -> int:
        """A new stream; copies of ``Memory`` wait for what was put on it."""
        handle = ctypes.c_void_p()
        self.call("cuStreamCreate", ctypes.byref(handle), 0)
        return handle.value or 0


class Memory:
    """An array's place on the GPU, freed with this object; the driver's context must be entered."""

    def __init__(self, driver: Driver, shape: tuple[int, ...], dtype: str):
        self._driver, self.host = driver, np.zeros(shape, dtype)
        pointer, self._size = ctypes.c_uint64(), ctypes.c_size_t(self.host.nbytes)
        driver.call("cuMemAlloc_v2", ctypes.byref(pointer), self._size)
        self._pointer, self.address = pointer, pointer.value
        weakref.finalize(self, driver.call, "cuMemFree_v2", pointer).atexit = False

    def write(self, array: np.ndarray) -> None:
        self.host[...] = array
        self._driver.call("cuMemcpyHtoD_v2", self._pointer, ctypes.c_void_p(self.host.ctypes.data), self._size)

    def read(self) -> np.ndarray:
        """The array, in a buffer that the next ``read`` overwrites."""
        self._driver.call("cuMemcpyDtoH_v2", ctypes.c_void_p(self.host.ctypes.data), self._pointer, self._size)
        return self.host


@cache
def driver() -> Driver:
    """The driver of this machine; InputError where there is none."""
    return Driver(LIBRARY)
