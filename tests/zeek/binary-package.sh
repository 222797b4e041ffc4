#!/usr/bin/env bash
# Packs the plugin from build/ and installs it without cargo, cmake or a C++ compiler on PATH: with zkg if available,
# and by unpacking it into the plugin path. The lab must get the scores of the build. Needs Zeek.
set -euo pipefail

repository=$(cd "$(dirname "$0")/../.." && pwd)
build=${IFOREST_BUILD:-$repository/build}
data=$repository/tests/data
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
fail() { echo "binary-package: FAILED: $*" >&2 && exit 1; }
command -v zeek >/dev/null || { echo "binary-package: skipped: zeek is not on PATH" && exit; }

umask 022
chmod 755 "$scratch"
cd "$scratch"
archive=$("$repository/packaging/binary-package" "$build")
# Only these programs, and the ones that zkg runs.
mkdir bin
for program in zeek zeek-cut zeek-config zkg setpriv git sh bash env tar gzip sed grep cut cat awk dirname cmp rm mkdir; do
	path=$(command -v "$program") && ln -s "$path" "bin/$program"
done
# The interpreter itself, because the one on PATH may be a wrapper that needs other programs.
python=$(python3 -c 'import sys; print(sys.executable)') && ln -s "$python" bin/python3
lab() { # DIRECTORY ARGUMENT...: scores of the second day by a model of the first.
	mkdir "$1" && (cd "$1" && "$2" --quiet train "$data/lab-day1.conn.log" -o lab.model &&
		zeek -C -r "$data/lab-day2.pcap" IForest IForest::model_file=lab.model && zeek-cut uid anomaly_score <conn.log >scores)
}
export ZEEK_SEED_FILE=$repository/tests/btest/random.seed
ZEEK_PLUGIN_PATH=$build lab built "$build/cargo/release/zeek-iforest"
[ "$(wc -l <built/scores)" -gt 3000 ] || fail "the build scores $(wc -l <built/scores) connections"

PATH=$scratch/bin
for program in cargo rustc cmake c++ g++ cc; do
	! command -v "$program" >/dev/null || fail "$program is on PATH"
done
mkdir plugins && tar -xzf "$archive" -C plugins
ZEEK_PLUGIN_PATH=$scratch/plugins lab unpacked "$scratch/plugins/zeek-iforest/bin/zeek-iforest"
cmp built/scores unpacked/scores || fail "the unpacked package gives other scores"
zkg="zkg was not found: not tried"
if [ -e bin/zkg ]; then
	printf '[sources]\n[paths]\nstate_dir = %s\nscript_dir = %s\nplugin_dir = %s\nbin_dir = %s\nzeek_dist =\n' \
		"$scratch/state" "$scratch/site" "$scratch/installed" "$scratch/executables" >zkg.config
	HOME=$scratch zkg --configfile zkg.config install --force "$scratch/plugins/zeek-iforest"
	ZEEK_PLUGIN_PATH=$scratch/installed lab by-zkg "$scratch/executables/zeek-iforest"
	cmp built/scores by-zkg/scores || fail "the package installed by zkg gives other scores"
	zkg="zkg installed it"
	# Other users can run what root installed.
	if [ "$EUID" = 0 ]; then
		(
			cd /
			export ZEEK_PLUGIN_PATH=$scratch/installed
			setpriv --reuid 65534 --clear-groups zeek -N IForest::Scorer | grep -q ^IForest::Scorer
		) || fail "an unprivileged user cannot use the package"
		zkg="$zkg for every user"
	fi
fi
echo "binary-package: ok: $archive; $zkg"
