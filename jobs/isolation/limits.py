"""What is taken from a process before it executes code of strangers; what cannot be taken is named.

Descriptors that can be opened (files, sockets, pipes), processes that can be started, memory,
processor time and the size of files are bounded by resource limits, which every Unix has. Where the
system allows it, the process also has a network of its own without interfaces, a table of processes
of its own, an empty root folder, and no capabilities.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal

NEW_USER, NEW_NETWORK, NEW_PROCESSES = 0x10000000, 0x40000000, 0x20000000
NOBODY = 65_534
NO_NEW_PRIVILEGES, DIE_WITH_PARENT = 38, 1
CAPABILITIES_VERSION = 0x20080522


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


def leave_system() -> list[str]:
    """Enter a network without interfaces, and a table of processes that holds nobody else, while
    there is one thread.

    The caller goes on as a child of the process that calls, which waits for it and ends as it
    ended. Returns what could not be done.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    own = 0 if os.geteuid() == 0 else NEW_USER  # root needs no user namespace, and is nobody later
    if not hasattr(libc, "unshare"):
        return [
            "its network and processes are the system's: there is no unshare here, though it can "
            "open no socket"
        ]
    libc.prctl(DIE_WITH_PARENT, signal.SIGKILL, 0, 0, 0)
    if libc.unshare(own | NEW_NETWORK | NEW_PROCESSES) and libc.unshare(
        NEW_USER | NEW_NETWORK | NEW_PROCESSES
    ):
        why = os.strerror(ctypes.get_errno())
        return [
            f"its network and processes are the system's ({why}): it can open no socket, but can "
            "send signals to what is yours"
        ]
    inner = os.fork()
    if inner:
        _, status = os.waitpid(inner, 0)
        os._exit(os.waitstatus_to_exitcode(status) % 256)
    libc.prctl(DIE_WITH_PARENT, signal.SIGKILL, 0, 0, 0)
    return []


def leave_files(empty: str) -> list[str]:
    """Make an empty folder the root; returns what could not be done."""
    try:
        os.chroot(empty)
        os.chdir("/")
    except (OSError, AttributeError) as problem:
        return [
            f"it sees the system's folders ({problem.__class__.__name__}), but it can open no file"
        ]
    return []


def bound(memory_bytes: int, seconds: int) -> list[str]:
    """Bound memory (besides what is in use), processor time, descriptors, processes and files;
    returns what could not be done.
    """
    lost = _be_nobody()
    bounds = {
        "memory": (resource.RLIMIT_AS, _address_space() + memory_bytes),
        "processor time": (resource.RLIMIT_CPU, seconds),
        "sizes of files": (resource.RLIMIT_FSIZE, 0),
        "dumps": (resource.RLIMIT_CORE, 0),
        "processes": (resource.RLIMIT_NPROC, 0),
        "files and sockets": (resource.RLIMIT_NOFILE, 0),
    }
    for name, (number, value) in bounds.items():
        try:
            resource.setrlimit(number, (value, value))
        except (OSError, ValueError) as problem:
            lost.append(f"its {name} are not bounded ({problem})")
    return lost + _drop_capabilities()


def _be_nobody() -> list[str]:
    """Root gives its name away, for limits do not bind it."""
    if os.geteuid() != 0:
        return []
    try:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    except OSError as problem:
        return [f"it is root ({problem})"]
    return []


def _drop_capabilities() -> list[str]:
    """No privilege, now or later."""
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "capset") or not hasattr(libc, "prctl"):
        return []
    libc.prctl(DIE_WITH_PARENT, signal.SIGKILL, 0, 0, 0)
    header = _Header(CAPABILITIES_VERSION, 0)
    nothing = (ctypes.c_uint32 * 6)()
    if libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0) or libc.capset(ctypes.byref(header), nothing):
        return [f"its privileges could not be dropped ({os.strerror(ctypes.get_errno())})"]
    return []


def _address_space() -> int:
    try:
        with open("/proc/self/statm", encoding="ascii") as found:
            return int(found.read().split()[0]) * resource.getpagesize()
    except OSError:
        return 4 << 30
