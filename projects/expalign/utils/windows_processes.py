"""Whether a process runs, on Windows, where signal 0 would interrupt it.

See the Win32 functions ``OpenProcess``, ``GetExitCodeProcess`` and ``GetProcessTimes``.
"""

import ctypes
from typing import Any

QUERY = 0x1000  # PROCESS_QUERY_LIMITED_INFORMATION
STILL_ACTIVE, ACCESS_DENIED = 259, 5


def started(process: int, kernel: Any = None) -> str | None:
    """When a process has started, in ticks of 100 ns.

    Args:
        process: its number.
        kernel: ``kernel32``, for tests.

    Returns:
        The ticks; ``''`` for one that has ended, ``'0'`` for one of which nothing may be known;
        None where there is none.
    """
    kernel = ctypes.WinDLL('kernel32', use_last_error=True) if kernel is None else kernel
    kernel.OpenProcess.restype = ctypes.c_void_p
    handle = kernel.OpenProcess(QUERY, False, process)
    if not handle:
        return '0' if ctypes.get_last_error() == ACCESS_DENIED else None
    handle = ctypes.c_void_p(handle)
    try:
        code, times = ctypes.c_uint32(), [ctypes.c_uint64() for _ in range(4)]
        if not kernel.GetExitCodeProcess(handle, ctypes.byref(code)):
            return '0'
        if code.value != STILL_ACTIVE:
            return ''
        if not kernel.GetProcessTimes(handle, *map(ctypes.byref, times)):
            return '0'
        return str(times[0].value)
    finally:
        kernel.CloseHandle(handle)
