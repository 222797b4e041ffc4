#!/usr/bin/env python3
"""Makes short HTTP connections from many addresses to port 8080 of 127.0.0.1, some hundred a second, until it is killed."""

import socket
import threading
import time

server = socket.socket()
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind(("127.0.0.1", 8080))
server.listen(100)


def answer():
    while True:
        connection, _ = server.accept()
        connection.recv(100)
        connection.send(b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n")
        connection.close()


threading.Thread(target=answer, daemon=True).start()
n = 0
while True:
    client = socket.socket()
    client.bind((f"127.0.{n % 50 + 1}.{n % 7 + 1}", 0))
    client.connect(("127.0.0.1", 8080))
    client.send(b"GET / HTTP/1.0\r\n\r\n")
    while client.recv(1000):
        pass
    client.close()
    n += 1
    time.sleep(0.01)
