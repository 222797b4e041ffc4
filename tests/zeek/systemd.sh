#!/usr/bin/env bash
# Runs the plugin built in build/ under zeek-systemd-generator, as a cluster of two workers on the loopback interface:
# start zeek.target, learn a first model, restart the units, score with it; kill a worker, which systemd starts again.
# systemd boots in namespaces of its own, in a Debian 13 root, over scratch copies of the root and of Zeek's directory.
# Needs root, mmdebstrap, python3, Zeek 8.1 or later, and a Debian mirror. IFOREST_DEBIAN_13_SYSTEMD names a root to use
# or create.
set -euo pipefail

repository=$(cd "$(dirname "$0")/../.." && pwd)
skip() { echo "systemd: skipped: $*" && exit; }
if [ "${1:-}" != inside ]; then
	for program in zeek-config mmdebstrap python3 ip unshare nsenter; do
		command -v "$program" >/dev/null || skip "$program is not on PATH"
	done
	[ -x "$(zeek-config --prefix)/bin/zeek-systemd-generator" ] ||
		skip "Zeek $(zeek-config --version) has no zeek-systemd-generator: it comes with Zeek 8.1"
	[ "$(id -u)" = 0 ] || skip "only root can boot systemd"
	unshare --mount --net --pid --cgroup --uts --ipc true 2>/dev/null || skip "no namespaces can be made"
	exec unshare --mount "$0" inside
fi

prefix=$(zeek-config --prefix)
scratch=$(mktemp -d)
system=$scratch/system # The root directory that systemd boots in.
cgroup=$scratch/cgroup/iforest-$$
container=
traffic=
finish() {
	for process in $traffic $container; do
		kill -KILL "$process" 2>/dev/null || true
		wait "$process" 2>/dev/null || true
	done
	for _ in $(seq 50); do
		find "$cgroup" -depth -type d -exec rmdir {} + 2>/dev/null || true
		[ -e "$cgroup" ] || break
		sleep 0.1
	done
	umount -l "$system$prefix" "$system" "$scratch/upper" "$scratch/cgroup" 2>/dev/null || true
	rm -rf --one-file-system "$scratch"
}
trap finish EXIT
spool=$system$prefix/var/spool/zeek
fail() {
	echo "systemd: FAILED: $*" >&2
	control status 'zeek-*' >&2 || true
	tail -n 20 "$spool"/*/reporter.log "$spool"/*/iforest_model.log >&2 || true
	exit 1
}

root=${IFOREST_DEBIAN_13_SYSTEMD:-$scratch/root}
if [ ! -e "$root/usr/lib/systemd/systemd" ]; then
	echo "deb ${IFOREST_DEBIAN_MIRROR:-http://deb.debian.org/debian} trixie main" >"$scratch/trixie.list"
	packages=systemd,libpcap0.8t64,libssl3t64,zlib1g,libmaxminddb0,libzmq5
	mmdebstrap --quiet --variant=apt --include="$packages" trixie "$root" "$scratch/trixie.list" >"$scratch/log" 2>&1 ||
		skip "mmdebstrap made no Debian 13 root: $(grep -m 1 '^E:' "$scratch/log" || tail -n 1 "$scratch/log")"
fi

# The root directory and Zeek's directory, with changes in memory.
chmod 755 "$scratch"
mkdir "$system" "$scratch/upper" "$scratch/cgroup"
mount -t tmpfs tmpfs "$scratch/upper"
overlay() { # LOWER TARGET NAME
	mkdir -p "$2" "$scratch/upper/$3" "$scratch/upper/$3-work"
	mount -t overlay overlay -o "lowerdir=$1,upperdir=$scratch/upper/$3,workdir=$scratch/upper/$3-work" "$2"
}
overlay "$root" "$system" system
overlay "$prefix" "$system$prefix" zeek
{ mount -t cgroup2 cgroup2 "$scratch/cgroup" && mkdir "$cgroup"; } || skip "no cgroup of version 2 can be made"
chroot "$system" "$prefix/bin/zeek" --version >"$scratch/log" 2>&1 ||
	skip "the installed Zeek does not run in Debian 13: $(tail -n 1 "$scratch/log")"

# The plugin where zkg or an unpacked archive puts it, and the set-up from the README of zeek-systemd-generator.
umask 022
build=${IFOREST_BUILD:-$repository/build}
tar --no-same-owner -xzf "$build/IForest_Scorer.tgz" -C "$system$(zeek-config --plugin_dir)"
cat >>"$system$(zeek-config --site_dir)/local.zeek" <<'CONFIG'
@load IForest
redef IForest::learn_after = 300;
redef IForest::learning_interval = 1sec;
redef IForest::refit_interval = 0sec;
redef IForest::save_interval = 5sec;
redef ignore_checksums = T;
# Connections of the loopback interface end at once.
redef tcp_close_delay = 0sec;
redef tcp_attempt_delay = 1sec;
CONFIG
chroot "$system" systemd-sysusers --inline "u zeek -" 2>/dev/null
sed -i 's/^interface =.*/interface = lo\nworkers = 2/' "$system$prefix/etc/zeek/zeek.conf"
mkdir -p "$system/etc/systemd/system-generators"
ln -s "$prefix/bin/zeek-systemd-generator" "$system/etc/systemd/system-generators/"

touch "$scratch/console"
(
	echo "$BASHPID" >"$cgroup/cgroup.procs"
	# shellcheck disable=SC2016
	exec unshare --mount --net --pid --cgroup --uts --ipc --fork --kill-child=KILL bash -euc '
		ip link set lo up
		cd "$1"
		mount -t proc proc proc
		mount -t sysfs sysfs sys
		mount -t cgroup2 cgroup2 sys/fs/cgroup
		for directory in run tmp dev; do mount -t tmpfs tmpfs $directory; done
		chmod 755 dev
		for device in null zero full random urandom tty; do
			touch dev/$device
			mount --bind /dev/$device dev/$device
		done
		touch dev/console
		mount --bind "$2" dev/console
		mkdir dev/pts dev/shm
		mount -t devpts devpts dev/pts -o newinstance,ptmxmode=0666,mode=620
		ln -s pts/ptmx dev/ptmx
		mount -t tmpfs tmpfs dev/shm
		pivot_root . mnt
		umount -l /mnt
		exec env -i container=other PATH=/usr/sbin:/usr/bin /usr/lib/systemd/systemd --system --unit=basic.target
	' - "$system" "$scratch/console"
) </dev/null >"$scratch/log" 2>&1 &
container=$!
init() { tr -d ' ' <"/proc/$container/task/$container/children"; }
control() { nsenter --target "$(init)" --all systemctl --no-pager "$@"; }
for _ in $(seq 120); do
	! control is-active --quiet basic.target 2>/dev/null || break
	kill -0 "$container" 2>/dev/null || break
	sleep 0.5
done
control is-active --quiet basic.target 2>/dev/null || skip "systemd does not boot here: $(tail -n 3 "$scratch/log" "$scratch/console")"

nsenter --target "$(init)" --net "$repository/tests/zeek/loopback-traffic.py" &
traffic=$!

# The logger rotates a log when it stops, so each log starts anew after a restart.
columns() { # LOG COLUMNS
	# shellcheck disable=SC2086
	cat "$spool/logger-1/$1" 2>/dev/null | zeek-cut $2 2>/dev/null
}
# Waits for a row with values in these columns that match.
wait_for() { # LOG COLUMNS PATTERN
	for _ in $(seq 240); do
		! columns "$@" | grep -q "$3" || return 0
		sleep 0.5
	done
	fail "no $3 in $2 of $1"
}
nodes="manager worker-1 worker-2"
tab=$'\t'

control start zeek.target || fail "zeek.target does not start"
wait_for iforest_model.log action FIT
wait_for conn.log anomaly_score '^0\.'
for node in $nodes; do
	# The units run as zeek, which owns only their working directories.
	model=$spool/$node/iforest/$node/model
	for _ in $(seq 60); do [ ! -e "$model" ] || break; sleep 0.5; done
	[ -e "$model" ] || fail "$model is missing"
	[ "$(chroot "$system" stat -c %U "${model#"$system"}")" = zeek ] || fail "$model is not the property of the user zeek"
done
control restart zeek.target || fail "zeek.target does not restart"
for node in $nodes; do wait_for iforest_model.log "node action" "^$node${tab}IForest::LOAD"; done
wait_for conn.log anomaly_score '^0\.'
# systemd starts a killed process again.
loads() { columns iforest_model.log "node action" | grep -c "^worker-1${tab}IForest::LOAD" || true; }
before=$(loads)
control kill --signal=KILL zeek-worker@1 || fail "worker-1 cannot be killed"
for _ in $(seq 240); do
	[ "$(loads)" = "$before" ] || break
	sleep 0.5
done
[ "$(loads)" -gt "$before" ] || fail "worker-1 did not load its model after it was killed"
! columns iforest_model.log action | grep -q FIT || fail "learnt anew after a restart"
! cat "$spool"/*/reporter.log 2>/dev/null | grep IForest | grep -v Reporter::INFO || fail "warnings"
control stop zeek.target || fail "zeek.target does not stop"
echo "systemd: ok: Zeek $(zeek-config --version), $(chroot "$system" systemctl --version | head -n 1)"
