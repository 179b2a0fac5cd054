"""Where threads are can be asked at any time."""

from __future__ import annotations

import subprocess
import sys
import threading

from framework import stacks

ASKS_WHILE_GARBAGE_LETS_OTHERS_RUN = """
import threading, time
from framework.stacks import frames

class Slow:
    def __init__(self):
        self.circle = self
    def __del__(self):
        time.sleep(0)

def come_and_go():
    while True:
        thread = threading.Thread(target=int)
        thread.start()
        thread.join()

never = threading.Event()
for _ in range(800):
    threading.Thread(target=never.wait, daemon=True).start()
for _ in range(2):
    threading.Thread(target=come_and_go, daemon=True).start()
for _ in range(30):
    circles = [Slow() for _ in range(50)]
    del circles
    assert len(frames()) >= 800
print("answered", flush=True)
import os
os._exit(0)
"""


def test_a_process_goes_on_whose_garbage_is_due_just_then() -> None:
    command = [sys.executable, "-c", ASKS_WHILE_GARBAGE_LETS_OTHERS_RUN]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "answered\n", "")


def test_the_stack_of_a_thread_says_where_it_waits() -> None:
    ended = threading.Event()
    thread = threading.Thread(target=ended.wait, name="waiting")
    assert stacks.stack_of(thread) == "(it is at nothing)"
    thread.start()
    try:
        assert "wait" in stacks.stack_of(thread)
    finally:
        ended.set()
        thread.join()
    assert stacks.stack_of(thread) == "(it is at nothing)"
