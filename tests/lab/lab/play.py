"""Runs a timetable in real time: all lanes of all hosts in parallel, each lane in order.

The pauses between actions are skipped; retime.py restores them from the real time of each
action, which is recorded here.
"""

import subprocess
import threading
import time
from collections import defaultdict
from contextlib import nullcontext

from .network import WORK, in_host

#: Real seconds between two lines typed into one connection.
TYPING_PAUSE = 0.4

#: Real seconds until the last answer to a multicast question.
MULTICAST_PAUSE = 1.5


def play(plan):
    """Runs every action and fills in its `beats` and `over`."""
    desks = defaultdict(threading.Lock)
    sessions = defaultdict(threading.Lock)
    multicast = threading.Lock()
    lanes = defaultdict(list)
    for action in plan:
        lanes[action.host, action.lane].append(action)
    threads = [threading.Thread(target=lane, args=(actions, desks[host], sessions[host], multicast))
               for (host, _), actions in lanes.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    time.sleep(1.5)


def lane(actions, desk, session, multicast):
    for action in actions:
        if action.lane == "held":
            typed_command(action)
        elif action.lane in ("domain", "mdns"):
            with multicast if action.lane == "mdns" else nullcontext():
                action.beats.append((time.time(), action.start))
                execute(action, action.command)
                if action.lane == "mdns":
                    time.sleep(MULTICAST_PAUSE)
                action.over = time.time()
        elif action.lane == "session":
            with session:
                with desk:
                    # The lookup is desk traffic, so no other action of this host may run.
                    action.beats.append((time.time(), action.start))
                    if action.resolve:
                        execute(action, f"dig +short {action.resolve}")
                    action.resolved = time.time()
                if action.typed:
                    typed_command(action)
                else:
                    execute(action, action.command)
                action.over = time.time()
        else:
            with session if action.alone else nullcontext(), desk:
                action.beats.append((time.time(), action.start))
                execute(action, action.command)
                action.over = time.time()


def execute(action, command):
    with open(WORK / "actions.log", "ab") as log:
        subprocess.run(in_host(action.host, "sh", "-c", command), stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, stderr=log)


def typed_command(action):
    """Types the lines of an action. Each line is a beat, so that the pause before it can be virtual."""
    if not action.beats:
        action.beats.append((time.time(), action.start))
    with open(WORK / "actions.log", "ab") as log:
        process = subprocess.Popen(in_host(action.host, "sh", "-c", f"exec {action.command}"),
                                   stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=log)
    time.sleep(3 * TYPING_PAUSE)
    for after, line in action.typed:
        action.beats.append((time.time(), action.start + after))
        try:
            process.stdin.write(line.encode())
            process.stdin.flush()
        except BrokenPipeError:
            break
        time.sleep(TYPING_PAUSE)
    if not action.stays_open:
        process.stdin.close()
        process.wait()
        action.over = time.time()
