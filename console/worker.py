"""The application as a process of `manage.py serve` runs it, with what such a process does beside answering."""

import resource
import signal

from console.wsgi import application

# Ctrl-C reaches the whole group of processes, but it is the parent that stops its workers, by SIGTERM: a
# worker that gets both does not end before it is killed.
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core dump would hold values

from apikeys import sweeper  # noqa: E402  (its models need the application)

sweeper.start()

__all__ = ["application"]
