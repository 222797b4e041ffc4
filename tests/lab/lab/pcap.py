"""Classic pcap files with microseconds, and the IPv4 headers that identify a packet's flow.

Times are whole microseconds, so that reading and writing lose nothing.
"""

import ipaddress
import struct
from dataclasses import dataclass

MAGIC = 0xA1B2C3D4
ICMP, TCP, UDP = 1, 6, 17
PROTOCOL = {ICMP: "icmp", TCP: "tcp", UDP: "udp"}
ECHO = {8: 0, 0: 8}


@dataclass
class Packet:
    time: int
    frame: bytes


@dataclass(frozen=True)
class Headers:
    """Source and destination of a packet; ICMP has type and code in place of ports."""

    proto: str
    source: str
    source_port: int
    target: str
    target_port: int
    #: TCP flags and sequence number; ICMP echo identifier and 0; otherwise zeros.
    flags: int
    sequence: int
    payload: bytes

    @property
    def ends(self):
        """Both ends in an order that is the same for both directions."""
        a, b = (self.source, self.source_port), (self.target, self.target_port)
        return self.proto, min(a, b), max(a, b), self.flags if self.proto == "icmp" else 0


def read(path):
    data = path.read_bytes()
    magic, _, _, _, _, _, link = struct.unpack_from("<IHHiIII", data)
    if magic != MAGIC or link != 1:
        raise ValueError(f"{path}: not a little-endian microsecond pcap of Ethernet frames")
    packets, at = [], 24
    while at < len(data):
        seconds, micros, kept, whole = struct.unpack_from("<IIII", data, at)
        if kept != whole:
            raise ValueError(f"{path}: a packet was cut short at byte {at}")
        packets.append(Packet(seconds * 1_000_000 + micros, data[at + 16 : at + 16 + kept]))
        at += 16 + kept
    return packets


def write(path, packets):
    with open(path, "wb") as out:
        out.write(struct.pack("<IHHiIII", MAGIC, 2, 4, 0, 0, 65535, 1))
        for packet in packets:
            size = len(packet.frame)
            out.write(struct.pack("<IIII", *divmod(packet.time, 1_000_000), size, size) + packet.frame)


def headers(frame):
    """The headers of an Ethernet frame with IPv4 in it."""
    return ipv4(frame[14:])


def ipv4(data):
    start = (data[0] & 15) * 4
    size = struct.unpack_from(">H", data, 2)[0]
    source, target = (str(ipaddress.IPv4Address(data[n : n + 4])) for n in (12, 16))
    proto, rest = PROTOCOL[data[9]], data[start:size]
    if proto == "icmp":
        kind, code = rest[0], rest[1]
        echo = struct.unpack_from(">H", rest, 4)[0] if kind in ECHO else 0
        # As Zeek writes it: an echo reply is the other direction of the request.
        ports = (kind, ECHO.get(kind, code))
        return Headers(proto, source, ports[0], target, ports[1], echo, 0, rest[8:])
    source_port, target_port = struct.unpack_from(">HH", rest)
    if proto == "tcp":
        # An ICMP error quotes no more than the first eight bytes.
        flags = rest[13] if len(rest) > 13 else 0
        offset = (rest[12] >> 4) * 4 if len(rest) > 12 else len(rest)
        return Headers(proto, source, source_port, target, target_port, flags,
                       struct.unpack_from(">I", rest, 4)[0], rest[offset:])
    return Headers(proto, source, source_port, target, target_port, 0, 0, rest[8:])
