#!/usr/bin/env python3
"""Resolves one of the domains that malware generates from the date: generated-domains.py DATE NUMBER"""

import hashlib
import socket
import sys

digest = hashlib.sha256(f"{sys.argv[1]} {sys.argv[2]}".encode()).digest()
letters = "".join(chr(ord("a") + byte % 26) for byte in digest[: 10 + digest[-1] % 6])
try:
    socket.gethostbyname(f"{letters}.{('com', 'net', 'org', 'info')[digest[-2] % 4]}")
except socket.gaierror:
    pass  # Not registered; the next one may be.
