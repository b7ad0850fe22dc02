"""Memory that was freed, given back to the system: the C library keeps it for later, which for a server never comes."""

import ctypes


def trim() -> None:
    """Nothing where the C library has no such call (it is glibc's)."""
    call = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if call is not None:
        call(0)
