"""The application as a process of `manage.py serve` runs it, with what such a process does beside answering."""

import gc
import logging
import multiprocessing
import os
import resource
import signal
import threading
import time

from django.conf import settings
from django.db import connections
from django.db.backends.signals import connection_created
from django.urls import get_resolver

from apikeys.networks import network_of
from console.addresses import client_address
from console.database import limit_waiting
from console.server.connections import Warden
from console.server.rsgi import Adapter
from console.wsgi import application as wsgi_application

PARENT_CHECK_SECONDS = 0.5
OTHER_FILES = 256  # beside connections

logger = logging.getLogger(__name__)


def end_with_parent() -> None:
    """End this worker once the process that started it is gone, however that ended.

    Nobody else would stop it or give it new code and settings, and it would keep the port.
    """
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_without, args=(parent.pid,), name="parent", daemon=True).start()


def _end_without(parent: int | None) -> None:
    while os.getppid() == parent:
        time.sleep(PARENT_CHECK_SECONDS)
    logger.error("The process that started this worker is gone: the worker finishes its requests and ends.")
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(settings.WORKER_END_SECONDS)
    os._exit(1)  # a request did not finish in time


# Ctrl-C reaches the whole group of processes, but it is the parent that stops its workers, by SIGTERM: a
# worker that gets both does not end before it is killed.
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
# Each connection is an open file, and many systems allow 1,024 unless a process asks for more.
_open_files, _most_files = resource.getrlimit(resource.RLIMIT_NOFILE)
_open_files = max(_open_files, min(settings.CONNECTIONS + OTHER_FILES, _most_files))
resource.setrlimit(resource.RLIMIT_NOFILE, (_open_files, _most_files))

from apikeys import jobs  # noqa: E402  (their models need the application)
from console import metrics, sessions  # noqa: E402
from console.doors import ProgramsApplication  # noqa: E402
from console.factors import passcodes  # noqa: E402
from console.log_in import limiter  # noqa: E402
from console.mails import chores as mails  # noqa: E402
from console.outbox import dispatcher  # noqa: E402
from console.outbox import queue as outbox  # noqa: E402
from console.people import links  # noqa: E402
from console.webhooks import fan_out, sending  # noqa: E402

most_connections = min(settings.CONNECTIONS, _open_files - OTHER_FILES)
application = Adapter(
    wsgi_application,
    direct=ProgramsApplication(),
    threads=settings.THREADS,
    asker=lambda environ: network_of(client_address(environ)),
    largest_body=settings.DATA_UPLOAD_MAX_MEMORY_SIZE,
    body_seconds=settings.BODY_SECONDS,
    part_seconds=settings.ANSWER_SECONDS,
    most=most_connections,
    apart={"/healthz", "/metrics"},  # they tell how this process is, whatever its threads wait for
)
connection_created.connect(limit_waiting)
connections.close_all()  # the check at the start opened one without limits

Warden(
    settings.PORT,
    most=most_connections,
    answer_seconds=settings.ANSWER_SECONDS,
    serving=application.serving,
    streaming=application.streaming,
    is_stalled=lambda client: client in application.stalled,
    seen=application.drop_left,
).start()
jobs.start(
    [
        *(limiter.forget_ended, sessions.forget_expired, links.forget_old, metrics.share, passcodes.forget_ended),
        *(fan_out.fan_out, outbox.give_up_old, outbox.forget_old, *mails.begin()),
    ]
)
sending.register()
dispatcher.start()
end_with_parent()

# What is loaded by now stays as long as the process: the collector of cycles is not to look through it again and again,
# which is a twelfth of what a page costs.
_views = get_resolver().url_patterns
gc.collect()
gc.freeze()

__all__ = ["application"]
