"""Which processes run; those of Windows by a library that stands in for its own."""

import ctypes
import os
import subprocess
import sys

import pytest

from expalign.utils import processes, windows_processes
from expalign.utils.processes import runs, start_of


def test_this_process_and_one_that_ended():
    assert runs(os.getpid(), start_of(os.getpid()))
    ended = subprocess.Popen([sys.executable, '-c', ''])
    ended.wait()
    assert not runs(ended.pid, '1')


class Kernel:
    """``kernel32`` with one process, 7, that started at tick 5."""

    def __init__(self, code=windows_processes.STILL_ACTIVE, knows=True):
        self.closed = 0
        self.OpenProcess = Call(lambda access, inherit, process: 99 if process == 7 else 0)

        def exit_code(handle, place):
            place._obj.value = code
            return knows

        def times(handle, *places):
            places[0]._obj.value = 5
            return knows

        def close(handle):
            self.closed += 1

        self.GetExitCodeProcess, self.GetProcessTimes = Call(exit_code), Call(times)
        self.CloseHandle = Call(close)


class Call:
    """A foreign function: it has a type of result."""

    def __init__(self, function):
        self.function = function

    def __call__(self, *arguments):
        return self.function(*arguments)


@pytest.mark.parametrize(('kernel', 'told'), [
    (Kernel(), '5'), (Kernel(code=0), ''), (Kernel(knows=False), '0')])
def test_windows_processes(kernel, told):
    assert windows_processes.started(7, kernel) == told
    assert kernel.closed == 1


@pytest.mark.parametrize(('error', 'told'), [(5, '0'), (87, None)])
def test_windows_processes_that_cannot_be_opened(monkeypatch, error, told):
    monkeypatch.setattr(ctypes, 'get_last_error', lambda: error, raising=False)
    assert windows_processes.started(8, Kernel()) == told


@pytest.mark.parametrize(('now', 'start', 'alive'), [
    ('5', '5', True), ('6', '5', False), ('', '5', False), (None, '5', False), ('0', '5', True)])
def test_what_runs_on_windows(monkeypatch, now, start, alive):
    """No signal is sent: on Windows signal 0 interrupts a whole group of processes."""
    monkeypatch.setattr(processes, 'WINDOWS', True)
    monkeypatch.setattr(os, 'kill', None)
    monkeypatch.setattr(windows_processes, 'started', lambda process: now)
    assert runs(7, start) is alive
    assert start_of(7) == (now or '')
