"""Threads that come and go leave no heaps behind."""

import platform
import subprocess
import sys

import pytest

HEAPS = """
import ctypes, sys, threading
from compute_tasks.heap import share

share()
there = threading.Barrier(8)

def allocate():
    kept = [bytearray(1000 + n) for n in range(1000)]
    there.wait()

threads = [threading.Thread(target=allocate) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
library = ctypes.CDLL(None)
library.fopen.restype = ctypes.c_void_p
report = ctypes.c_void_p(library.fopen(sys.argv[1].encode(), b"w"))
library.malloc_info(0, report)
library.fclose(report)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not GNU's")
def test_all_threads_share_one_heap(tmp_path):
    report = tmp_path / "heaps.xml"
    subprocess.run([sys.executable, "-c", HEAPS, str(report)], check=True)
    assert report.read_text().count("<heap ") == 1
