#!/usr/bin/env bash
# Runs the plugin built in build/ under the installed ZeekControl, as a standalone Zeek and as a cluster of two workers on
# the loopback interface: deploy, learn a first model, restart, score with it. `zeekctl check` and `scripts` must not touch
# the state. Works in namespaces of its own, over scratch copies of ZeekControl's directories. Needs root, zeekctl and
# python3.
set -euo pipefail

repository=$(cd "$(dirname "$0")/../.." && pwd)
skip() { echo "zeekctl: skipped: $*" && exit; }
if [ "${1:-}" != inside ]; then
	for program in zeekctl zeek zeek-config python3 ip unshare; do
		command -v "$program" >/dev/null || skip "$program is not on PATH"
	done
	[ "$(id -u)" = 0 ] || skip "only root can capture packets and mount"
	unshare --mount --net --pid true 2>/dev/null || skip "no namespaces can be made"
	exec unshare --mount --net --pid --fork --mount-proc "$0" inside
fi

prefix=$(zeek-config --prefix)
scratch=$(mktemp -d)
trap 'umount -l "$prefix"/{etc,spool,logs} "$(zeek-config --site_dir)" 2>/dev/null; rm -rf "$scratch" 2>/dev/null || { sleep 5; rm -rf "$scratch"; }' EXIT
fail() {
	echo "zeekctl: FAILED: $*" >&2
	tail -n 20 "$prefix"/spool/*/stderr.log "$prefix"/spool/*/reporter.log "$scratch/output" >&2
	exit 1
}

# Scratch directories over those of the installation; the plugin where zkg or an unpacked archive puts it.
site=$(zeek-config --site_dir)
cp -a "$prefix/etc" "$scratch/etc"
cp -a "$site" "$scratch/site"
mkdir "$scratch/spool" "$scratch/logs" "$scratch/plugins"
cp "$prefix/spool/zeekctl-config.sh" "$scratch/spool/" 2>/dev/null || true
for directory in etc spool logs; do mount --bind "$scratch/$directory" "$prefix/$directory"; done
mount --bind "$scratch/site" "$site"
mkdir -p "$prefix/spool/tmp"
build=${IFOREST_BUILD:-$repository/build}
tar -xzf "$build/IForest_Scorer.tgz" -C "$scratch/plugins"
export ZEEK_PLUGIN_PATH=$scratch/plugins
ip link set lo up
sed -i -e '/^SendMail/d' "$prefix/etc/zeekctl.cfg"
printf '\nSendMail =\nenv_vars = ZEEK_PLUGIN_PATH=%s\n' "$ZEEK_PLUGIN_PATH" >>"$prefix/etc/zeekctl.cfg"
cat >>"$site/local.zeek" <<'END'
@load IForest
redef IForest::learn_after = 300;
redef IForest::learning_interval = 1sec;
redef IForest::refit_interval = 0sec;
redef IForest::save_interval = 5sec;
redef ignore_checksums = T;
# Connections of the loopback interface end at once.
redef tcp_close_delay = 0sec;
redef tcp_attempt_delay = 1sec;
END
"$repository/tests/zeek/loopback-traffic.py" &
traffic=$!

bindings=without
! PYTHONPATH=$prefix/lib/zeek/python "$(sed -n '1s/^#!//p' "$(command -v zeekctl)")" -c 'import broker.zeek' 2>/dev/null || bindings=with
control() { zeekctl "$@" >"$scratch/output" 2>&1 || fail "zeekctl $* failed"; }
# Waits for a line in any log of this name, with a value in this column that matches.
wait_for() { # LOG COLUMN PATTERN
	for _ in $(seq 120); do
		! cat "$prefix"/spool/*/"$1" 2>/dev/null | zeek-cut "$2" 2>/dev/null | grep -q "$3" || return 0
		sleep 0.5
	done
	fail "no $3 in column $2 of $1"
}
state=$prefix/spool/stores/iforest

try() { # NAME NODES
	rm -rf "$prefix"/spool/stores
	control check
	control scripts
	[ ! -e "$state" ] || fail "$1: zeekctl check or scripts made $state"
	control deploy
	wait_for iforest_model.log action FIT
	wait_for conn.log anomaly_score '^0\.'
	for node in $2; do
		[ -e "$state/$node/model" ] || sleep 5
		[ -e "$state/$node/model" ] || fail "$1: $state/$node/model is missing"
	done
	control check
	# Values of running nodes need Broker's Python bindings.
	if [ "$bindings" = with ]; then
		control print IForest::learn_after
		for node in $2; do grep -q "^ *$node .*IForest::learn_after = 300" "$scratch/output" || fail "$1: no value from $node"; done
	fi
	control restart
	wait_for iforest_model.log action LOAD
	wait_for conn.log anomaly_score '^0\.'
	! cat "$prefix"/spool/*/iforest_model.log | zeek-cut action | grep -q FIT || fail "$1: learnt anew after a restart"
	! cat "$prefix"/spool/*/reporter.log 2>/dev/null | grep IForest | grep -v Reporter::INFO || fail "$1: warnings"
	control stop
	echo "zeekctl: $1: check, deploy, first model, restart, scores: ok"
}

printf '[zeek]\ntype=standalone\nhost=localhost\ninterface=lo\n' >"$prefix/etc/node.cfg"
try standalone zeek
printf '[manager]\ntype=manager\nhost=localhost\n[proxy-1]\ntype=proxy\nhost=localhost\n' >"$prefix/etc/node.cfg"
for worker in worker-1 worker-2; do
	printf '[%s]\ntype=worker\nhost=localhost\ninterface=lo\n' "$worker" >>"$prefix/etc/node.cfg"
done
try cluster "manager worker-1 worker-2"
kill "$traffic"
echo "zeekctl: ok: Zeek $(zeek-config --version), $bindings Broker's Python bindings"
