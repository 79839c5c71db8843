"""One drawing at a time, where matplotlib draws."""

from threading import RLock

# matplotlib shares fonts and caches between figures and is not safe from several threads.
DRAWING = RLock()
