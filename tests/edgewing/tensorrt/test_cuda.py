"""The driver's functions as cuda.h declares them, against a stand-in for libcuda whose GPU is this machine's memory."""

import gc
import shutil
import subprocess

import numpy as np
import pytest

from edgewing.errors import InputError
from edgewing.tensorrt import cuda

# Signatures copied from cuda.h; a GPU called Orin, of compute capability 8.7, with its context entered or not.
DRIVER = """
#include <stdlib.h>
#include <string.h>
typedef unsigned long long CUdeviceptr; typedef int CUdevice; typedef int CUresult; typedef void *CUcontext;
static int device = 7, context, entered, living;
CUresult cuInit(unsigned int flags) { return flags; }
CUresult cuDeviceGet(CUdevice *d, int ordinal) { *d = device; return ordinal; }
CUresult cuDeviceGetName(char *name, int len, CUdevice d) { strncpy(name, "Orin", len); return d != device; }
CUresult cuDeviceGetAttribute(int *v, int attribute, CUdevice d) { *v = attribute == 75 ? 8 : 7; return d != device; }
CUresult cuDevicePrimaryCtxRetain(CUcontext *c, CUdevice d) { *c = &context; return d != device; }
CUresult cuCtxSetCurrent(CUcontext c) { entered = c == &context; return !entered; }
CUresult cuStreamCreate(void **stream, unsigned int flags) { *stream = &entered; return flags || !entered; }
CUresult cuMemAlloc_v2(CUdeviceptr *p, size_t n) { *p = (CUdeviceptr)malloc(n); living++; return entered ? 0 : 201; }
CUresult cuMemFree_v2(CUdeviceptr p) { free((void *)p); living--; return 0; }
CUresult cuMemcpyHtoD_v2(CUdeviceptr to, const void *from, size_t n) { memcpy((void *)to, from, n); return 0; }
CUresult cuMemcpyDtoH_v2(void *to, CUdeviceptr from, size_t n) { memcpy(to, (void *)from, n); return 0; }
CUresult living_allocations(int expected) { return living != expected; }
"""


def compiled(folder) -> str:
    """The stand-in as a shared library in the folder; its path."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("needs a C compiler: apt install gcc")
    (folder / "driver.c").write_text(DRIVER)
    library = folder / "libcuda.so.1"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, folder / "driver.c"], check=True)
    return str(library)


@pytest.fixture(scope="module")
def driver(tmp_path_factory) -> cuda.Driver:
    return cuda.Driver(compiled(tmp_path_factory.mktemp("cuda")))


def test_the_chip(driver):
    assert driver.chip() == cuda.Chip("Orin", "8.7")
    assert str(driver.chip()) == "compute capability 8.7 (Orin)"


def test_memory_holds_what_was_written_and_is_freed(driver):
    with pytest.raises(InputError, match="cuMemAlloc_v2 with code 201"):
        cuda.Memory(driver, (2, 3), "float32")  # no context entered
    driver.enter()
    assert driver.stream() > 1 << 32  # an address, not cut to 32 bits
    values = np.arange(6, dtype=np.float32).reshape(3, 2).T  # not contiguous
    memory = cuda.Memory(driver, (2, 3), "float32")
    other = cuda.Memory(driver, (2, 3), "float32")
    memory.write(values)
    other.write(-values)
    np.testing.assert_array_equal(memory.read(), values)
    assert memory.address != other.address and memory.address > 1 << 32
    driver.call("living_allocations", 3)  # the refused one counts: the stand-in gave it out
    del memory, other
    gc.collect()
    driver.call("living_allocations", 1)


def test_without_a_driver_one_line():
    with pytest.raises(InputError, match="no NVIDIA GPU here"):
        cuda.Driver("libcuda-of-nowhere.so.1")
