#!/usr/bin/env bash
# Installs the package with zkg from a clone of this repository into a scratch directory, and uses it. zkg builds twice,
# once for its tests, which takes ten minutes. Needs zkg, zeek and btest on PATH.
set -euo pipefail

repository=$(cd "$(dirname "$0")/../.." && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
fail() { echo "zkg-install: $*" >&2 && exit 1; }

# zkg installs tags, so the clone has one above all versions.
git clone -q "$repository" "$scratch/zeek-iforest"
git -C "$scratch/zeek-iforest" tag v999.0.0

mkdir "$scratch/home"
export HOME=$scratch/home CARGO_HOME=${CARGO_HOME:-$HOME/.cargo} RUSTUP_HOME=${RUSTUP_HOME:-$HOME/.rustup}
cat >"$scratch/zkg.config" <<END
[sources]
[paths]
state_dir = $scratch/state
script_dir = $scratch/site
plugin_dir = $scratch/plugins
bin_dir = $scratch/bin
zeek_dist =
END
zkg() { command zkg --configfile "$scratch/zkg.config" "$@"; }
zkg install --force --version v999.0.0 "$scratch/zeek-iforest" || {
	tail -n 50 "$scratch"/state/logs/*.log >&2
	fail "zkg install failed"
}

export ZEEK_PLUGIN_PATH=$scratch/plugins ZEEKPATH=$scratch/site:$(zeek-config --zeekpath) PATH=$scratch/bin:$PATH
mkdir "$scratch/run" && cd "$scratch/run"

zeek -N IForest | grep -q '^IForest::Scorer' || fail "zeek -N IForest does not list the plugin"
zeek-iforest --quiet train "$repository/tests/data/lab-day1.conn.log" -o lab.model
zeek -C -r "$repository/tests/data/lab-day1.pcap" packages misc/loaded-scripts IForest::model_file=lab.model
zeek-cut anomaly_score <conn.log | awk '!/^0\./ { exit 1 }' || fail "a connection has no score"
# The notice that the README shows.
(
	mkdir shown && cd shown
	zeek -C -r "$repository/tests/data/lab-day2.pcap" packages IForest::model_file=../lab.model
	message=$(sed -n 's/^\(scan: .*\)\.\.\.$/\1/p' "$repository/README.md")
	zeek-cut msg <notice.log | grep -qF "${message:?}" || fail "the README shows another notice"
)
scripts=$(grep -c 'IForest/main\|zeek-iforest/main\|zeek-iforest/./main' loaded_scripts.log) || true
[ "$scripts" = 1 ] || fail "the script was loaded $scripts times"
# Without any option it learns, then scores.
(
	mkdir learnt && cd learnt
	"$repository/tests/btest/Scripts/repeat-pcap" "$repository/tests/data/lab-day1.pcap" long.pcap 8 6
	zeek -C -r long.pcap packages
	zeek-cut anomaly_score <conn.log | tail -n 1 | grep -q '^0\.' || fail "nothing was learnt"
)
# Loading both copies of the scripts loads one.
zeek -C -r "$repository/tests/data/lab-day1.pcap" packages IForest IForest::model_file=lab.model

# A network interface and restarts.
"$repository/tests/zeek/live.sh"

echo "zkg-install: ok"
