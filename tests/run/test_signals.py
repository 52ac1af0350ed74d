from __future__ import annotations

import os
import signal
import threading

import pytest

from recon_cli.core.errors import StoppedError
from recon_cli.run.signals import REQUESTS, StopSignals


@pytest.mark.parametrize("number", REQUESTS)
def test_the_first_request_is_noted_and_the_old_handlers_come_back(number):
    before = [signal.getsignal(each) for each in REQUESTS]
    with StopSignals() as stop:
        assert stop.request is None
        assert stop.seconds_since_request == 0
        os.kill(os.getpid(), number)
        assert stop.request == number
        assert 0 <= stop.seconds_since_request < 5
    assert [signal.getsignal(each) for each in REQUESTS] == before


def test_a_second_interrupt_ends_at_once():
    with StopSignals():
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize(
    ("number", "error"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, StoppedError), (signal.SIGUSR2, StoppedError)]
)
def test_the_way_out_depends_on_who_asked(number, error):
    with pytest.raises(error):
        stop_by(number)


def stop_by(number):
    with StopSignals():
        os.kill(os.getpid(), number)
        raise StoppedError("stopped after frame 3")


def test_a_repeated_sigterm_is_harmless():
    with StopSignals() as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
    assert stop.request == signal.SIGTERM


def test_another_thread_may_enter_it():
    entered = []

    def work():
        with StopSignals() as stop:
            entered.append(stop.request)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert entered == [None]
