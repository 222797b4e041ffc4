"""Moves recorded packets to virtual times: every packet is assigned to the action that caused
it and moves with that action. Bytes are never changed.

A packet that no action explains is an error.
"""

import sys
from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass

from . import pcap
from .hosts import HOSTS, SERVERS

NAME_OF = {address: host for host, address in HOSTS.items()}
SYN, ACK = 2, 16


@dataclass
class Flow:
    """The packets of one connection, and its action."""

    first: pcap.Headers
    action: object
    begin: int | None = None
    end: int | None = None

    def saw(self, time):
        self.begin = time if self.begin is None else min(self.begin, time)
        self.end = time if self.end is None else max(self.end, time)


class Windows:
    """Real times of the actions, by host and lane."""

    def __init__(self, plan):
        self.by_lane = defaultdict(list)
        self.held = {}
        #: Host and domain of actions that are recognized by the domain of their queries.
        self.domains = []
        for action in plan:
            begin = action.beats[0][0]
            if action.lane == "held":
                self.held[HOSTS[action.host], *action.target] = f"held {action.target}"
                self.add(action.host, f"held {action.target}", begin, action.over, action)
                continue
            if action.lane == "domain":
                self.domains.append((HOSTS[action.host], action.domain))
                self.add(action.host, f"domain {action.domain}", begin, action.over, action)
                continue
            if action.lane == "mdns":
                self.by_lane[None, "mdns"].append((begin, action.over, action))
                continue
            self.add(action.host, action.lane, begin, action.over, action)
            if action.resolve:
                self.add(action.host, "desk", begin, action.resolved, action)
            if action.alone:
                self.add(action.host, "session", begin, action.over, action)
        for windows in self.by_lane.values():
            windows.sort(key=lambda window: window[0])

    def add(self, host, lane, begin, end, action):
        self.by_lane[HOSTS[host], lane].append((begin, end, action))

    def action(self, header, time):
        """The action that sent this packet, or None."""
        windows = self.by_lane.get(self.lane(header), [])
        at = bisect_right(windows, time, key=lambda window: window[0]) - 1
        if at >= 0 and time <= windows[at][1]:
            return windows[at][2]
        return None

    def lane(self, header):
        if header.proto == "udp" and 5353 in (header.source_port, header.target_port):
            return None, "mdns"
        if header.proto == "udp" and header.target_port == 53:
            name = asked_name(header)
            for source, domain in self.domains:
                if header.source == source and (name == domain or name.endswith("." + domain)):
                    return source, f"domain {domain}"
        held = self.held.get((header.source, header.target, header.target_port))
        return header.source, held or ("session" if (header.proto, header.target_port) == ("tcp", 22) else "desk")


class Attribution:
    """Assigns packets to flows and flows to actions, in order of recording."""

    def __init__(self, plan):
        self.windows = Windows(plan)
        self.flows = []
        self.current = {}
        #: The question section of a query to the resolver -> the action that asked it last.
        self.asked = {}

    def flow(self, header, time):
        if header.proto == "icmp" and header.source_port not in pcap.ECHO:
            # An error message belongs to the action whose packet it quotes.
            quoted = pcap.ipv4(header.payload)
            return self.ensure(header, self.current[quoted.ends].action)
        known = self.current.get(header.ends)
        opens = header.proto == "tcp" and header.flags & (SYN | ACK) == SYN
        if known and header.proto == "tcp":
            if not opens or known.first.sequence == header.sequence:
                return known
        elif known and header.source != known.first.source:
            return known
        action = self.forwarded(header) or self.windows.action(header, time / 1e6)
        if header.proto == "udp" and header.target == SERVERS["infra"] and header.target_port == 53:
            self.asked[question(header)] = action
        if action is None:
            if known:
                return known
            sys.exit(f"make-lab: no action explains {header.proto} {header.source}:{header.source_port} -> "
                     f"{header.target}:{header.target_port} at {time / 1e6:.6f}")
        return self.ensure(header, action, anew=opens)

    def forwarded(self, header):
        """Assigns a query of the resolver to the last client that asked the same question."""
        if header.source == SERVERS["infra"] and header.target_port == 53:
            return self.asked.get(question(header))
        return None

    def ensure(self, header, action, anew=False):
        known = self.current.get(header.ends)
        if known is None or anew or known.action is not action:
            known = self.current[header.ends] = Flow(header, action)
            self.flows.append(known)
        return known


def question(header):
    """Name, type and class of a DNS query's only question."""
    message = header.payload
    end = message.index(0, 12) + 5
    return message[12:end].lower()


def asked_name(header):
    """The name of a DNS query's only question, in lower case."""
    labels, at, message = [], 12, header.payload
    while message[at]:
        labels.append(message[at + 1 : at + 1 + message[at]].decode("latin-1"))
        at += 1 + message[at]
    return ".".join(labels).lower()


def shifted(action, time):
    """A recorded time, moved by as much as the last beat before it."""
    at = bisect_right(action.beats, time / 1e6, key=lambda beat: beat[0]) - 1
    real, virtual = action.beats[max(at, 0)]
    return time + round((virtual - real) * 1e6)


def retime(packets, plan, day):
    """The packets of the day, in order, and their flows."""
    attribution = Attribution(plan)
    begin = int(day.begin.timestamp()) * 1_000_000
    end = begin + day.seconds * 1_000_000
    out = []
    for packet in sorted(packets, key=lambda packet: packet.time):
        flow = attribution.flow(pcap.headers(packet.frame), packet.time)
        time = begin + shifted(flow.action, packet.time)
        if begin <= time < end:
            flow.saw(time)
            out.append(pcap.Packet(time, packet.frame))
    out.sort(key=lambda packet: packet.time)
    flows = sorted((flow for flow in attribution.flows if flow.begin), key=lambda flow: flow.begin)
    # Each row of dns.log is a query, so it does no harm there if Zeek joins connections.
    if day.log == "conn":
        distinct(flows)
    return out, flows


def distinct(flows):
    """Checks that connections with the same ends are far enough apart that Zeek does not join them."""
    last = {}
    for flow in flows:
        before = last.get(flow.first.ends)
        if before and flow.first.proto != "icmp" and flow.begin < before.end + 300_000_000:
            sys.exit(f"make-lab: a port was reused too soon ({flow.first.ends}); run it again")
        last[flow.first.ends] = flow
