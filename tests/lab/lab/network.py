"""The lab network: one namespace per host, all on one bridge that tcpdump records.

Everything is in a private network, mount and process namespace (see `in_namespaces`), so the
kernel removes all of it when make-lab ends, even if it is killed. There is no link to the
machine's own network.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from .hosts import DARK, HOSTS

WORK = Path("/run/lab")
TOOLS = (
    "avahi-daemon chronyd curl dig dns2tcpc dns2tcpd dnsmasq ethtool iodine iodined ip mdns-scan memcached "
    "nc nginx nmap nsd nsenter openssl ping rsync scp setpriv sftp ssh ssh-keygen sshd sshpass sysctl tcpdump "
    "unshare wget"
).split()


def in_namespaces(*arguments):
    """Runs a script in separate namespaces, which end with the script or with this process."""
    if os.geteuid() != 0:
        sys.exit("make-lab: recording needs root (network namespaces); run it with sudo")
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    missing = [tool for tool in TOOLS if not shutil.which(tool)]
    if missing:
        sys.exit(
            f"make-lab: not found: {', '.join(missing)}; "
            "tests/lab/README.md lists the Debian packages"
        )
    # The kernel kills unshare with this process, and everything inside with unshare.
    unshare = "setpriv --pdeathsig KILL unshare --net --mount --pid --fork --kill-child --mount-proc".split()
    if subprocess.run([*unshare, sys.executable, *arguments]).returncode != 0:
        sys.exit(1)


def run(*command):
    """Runs a command that must succeed; the error contains its output."""
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"make-lab: {' '.join(command)} failed: {done.stderr.strip() or done.stdout}")


def in_host(host, *command):
    """The command line that runs `command` inside a host's network namespace."""
    return ["nsenter", f"--net=/run/netns/{host}", *command]


def build():
    """Makes the private file system, the namespaces, the links and the bridge."""
    run("mount", "-t", "tmpfs", "tmpfs", "/run")
    (WORK / "etc").parent.mkdir()
    Path("/run/netns").mkdir()
    Path("/run/avahi-daemon").mkdir()
    # A private copy of /etc takes the lab's users, resolver and host names.
    shutil.copytree("/etc", WORK / "etc", symlinks=True)
    run("mount", "--bind", str(WORK / "etc"), "/etc")
    run("mount", "-t", "tmpfs", "tmpfs", "/home")

    run("ip", "netns", "add", "switch")
    run("ip", "-n", "switch", "link", "add", "br0", "type", "bridge", "mcast_snooping", "0")
    quiet("switch")
    run("ip", "-n", "switch", "link", "set", "br0", "up")
    for host, address in HOSTS.items():
        add_host(host, address)


def quiet(namespace):
    """Turns off IPv6, whose neighbour discovery belongs to no action, and TCP timestamps,
    which would contradict the times of the capture."""
    run(*in_host(namespace, "sysctl", "-qw", "net.ipv4.tcp_timestamps=0"))
    run(*in_host(namespace, "sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1"))
    run(*in_host(namespace, "sysctl", "-qw", "net.ipv6.conf.default.disable_ipv6=1"))


def mac(address):
    """A locally administered MAC that spells the IPv4 address."""
    return "02:00:" + ":".join(f"{int(part):02x}" for part in address.split("."))


def add_host(host, address):
    run("ip", "netns", "add", host)
    quiet(host)
    run("ip", "link", "add", "eth0", "address", mac(address), "netns", host,
        "type", "veth", "peer", "name", host, "netns", "switch")
    run("ip", "-n", "switch", "link", "set", host, "master", "br0", "up")
    for namespace, link in ((host, "eth0"), ("switch", host)):
        # Offloading would leave wrong checksums and oversized packets in the capture.
        run(*in_host(namespace, "ethtool", "-K", link, "tx", "off", "rx", "off",
                     "tso", "off", "gso", "off", "gro", "off"))
    run("ip", "-n", host, "link", "set", "lo", "up")
    run("ip", "-n", host, "address", "add", f"{address}/32", "dev", "eth0")
    run("ip", "-n", host, "link", "set", "eth0", "up")
    run("ip", "-n", host, "route", "add", "default", "dev", "eth0", "src", address)
    for dark in DARK:
        # A neighbour that does not exist: packets leave and nobody answers.
        run("ip", "-n", host, "neighbour", "add", dark, "lladdr", mac(dark),
            "dev", "eth0", "nud", "permanent")


class Recorder:
    """tcpdump on the bridge: whole IPv4 packets without IGMP, microseconds, classic pcap."""

    def __init__(self, path):
        self.path = Path(path)
        self.process = subprocess.Popen(
            in_host("switch", "tcpdump", "-i", "br0", "-s", "0", "-U", "-B", "32768", "-Z", "root",
                    "--time-stamp-precision=micro", "-w", str(path), "ip and not igmp"),
            stderr=subprocess.PIPE, text=True)
        while "listening on" not in (line := self.process.stderr.readline()):
            if not line:
                sys.exit("make-lab: tcpdump did not start")

    def stop(self):
        self.process.send_signal(2)
        _, report = self.process.communicate()
        if "0 packets dropped by kernel" not in report:
            sys.exit(f"make-lab: tcpdump lost packets, run it again:\n{report}")
